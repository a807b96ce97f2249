"""The card of a release: its head for the hub, what it says, and that no text of a model or user is markup in it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import yaml

from dunwu.analysis.model_card import Released, head, model_card
from dunwu.analysis.model_history import Base, Figure, History, Source, Step
from dunwu.analysis.pairs import Pair, Side
from dunwu.analysis.text import shown
from dunwu.config.licences import LICENCES, check_licence
from dunwu.errors import UserError

EVIL = "```\n<script>alert(1)</script>\n---\n[x](http://evil) | `a`\n# Title"
RELEASED = Released(
    "mine", "", "apache-2.0", False, "LlamaForCausalLM", 1234567, "bfloat16", 2048, 330, prompt="User: hi", stops=("<|im_end|>",)
)
ZERO = Step(
    "zero",
    "zero",
    (("grpo.steps", 6), ("reward", "1 accuracy")),
    (Source("gsm8k", "mit", 7473, "openai/gsm8k"), Source("rows.jsonl")),
    figures=(Figure("gsm8k: pass@1, 100 problems x 4", "30.0 % (25.0 to 35.0)", "10.0 % (7.0 to 14.0)"),),
    cost={"seconds": 3700.0, "trained_tokens": 1000, "generated_tokens": 1500, "flops": 2.5e12},
    machine="cpu, 2 CPU cores",
)
HISTORY = History(Base("Qwen2.5-0.5B", "Qwen/Qwen2.5-0.5B", "apache-2.0"), (ZERO,), ("en",))


def parsed(text: str) -> Any:
    _, front, _ = text.split("---\n", 2)
    return yaml.safe_load(front)


def outside_code(text: str) -> str:
    """The Markdown without fenced and inline code."""
    without = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(`+).*?(?<!`)\1(?!`)", "", without)


def test_the_head_is_what_the_hub_reads() -> None:
    assert parsed(model_card(RELEASED, HISTORY)) == {
        "license": "apache-2.0",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "base_model": "Qwen/Qwen2.5-0.5B",
        "datasets": ["openai/gsm8k"],
        "language": ["en"],
        "tags": ["dunwu", "reinforcement-learning", "grpo"],
    }


def test_the_head_says_what_it_is() -> None:
    taught = replace(HISTORY, distilled=True, steps=(replace(ZERO, kind="rejection_sampling"), replace(ZERO, kind="sft")))
    assert head(RELEASED, taught)["tags"] == ["dunwu", "sft", "distillation"]
    scorer = head(replace(RELEASED, criterion="safety", gguf="x.gguf"), replace(HISTORY, steps=(replace(ZERO, kind="reward_model"),)))
    assert scorer["pipeline_tag"] == "text-classification"
    assert scorer["tags"] == ["dunwu", "reward-model", "gguf"]
    local = head(RELEASED, History(Base("here")))
    assert not {"base_model", "datasets", "language"} & local.keys()


def test_a_licence_that_is_not_listed_keeps_its_terms() -> None:
    terms = {"license_name": "qwen-research", "license_link": "https://example.org"}
    history = replace(HISTORY, base=Base("Qwen2.5-3B", "Qwen/Qwen2.5-3B", "other", terms))
    assert head(replace(RELEASED, licence="other"), history).items() >= {"license": "other", **terms}.items()
    assert not terms.keys() & head(replace(RELEASED, licence="mit", licence_is_given=True), history).keys()


def test_the_card_says_how_what_and_at_which_cost() -> None:
    text = model_card(replace(RELEASED, sampling={"temperature": 0.6, "max_tokens": 400}, reads="\\boxed{}", asks="Box it."), HISTORY)
    for part in ("1,234,567", "bfloat16", "`grpo.steps`", "`1 accuracy`", "7,473", "mit", "10.0 % (7.0 to 14.0)", "30.0 %", "2.5e+12"):
        assert part in text
    for part in ("1h01m", "2 CPU cores", "User: hi", "Box it.", "`temperature` 0.6", "rows.jsonl", "unknown", "2,048 tokens"):
        assert part in text


def test_what_is_not_known_is_called_unknown() -> None:
    text = model_card(replace(RELEASED, licence="unknown", prompt=""), History(Base("here")))
    assert parsed(text)["license"] == "unknown"
    assert text.count("Dunwu has no record") == 2
    assert "no chat template" in text


def test_a_reward_model_is_asked_for_a_score() -> None:
    text = model_card(replace(RELEASED, criterion="helpfulness", prompt=""), HISTORY)
    assert "AutoModelForSequenceClassification" in text
    assert "AutoModelForCausalLM" not in text


def test_texts_of_models_and_users_are_no_markup() -> None:
    sides = tuple(Side(phase, "wrong", 3, 0, shown(EVIL)) for phase in ("before", "after"))
    step = Step(EVIL, EVIL, ((EVIL, EVIL),), (Source(EVIL, EVIL, 3),), (Source(EVIL, EVIL),), (Figure(EVIL, "1", "2"),), machine=EVIL)
    pair = Pair("solved", EVIL, EVIL, None, (sides[0], sides[1]))
    history = History(Base(EVIL, languages=()), (step,), ("en",), pair=pair)
    released = replace(RELEASED, name=EVIL, prompt=EVIL, stops=(EVIL,), asks=EVIL, reads=EVIL, architecture=EVIL, gguf=EVIL)
    text = model_card(released, history)
    body = outside_code(text.split("---\n\n", 1)[1])
    assert "<script>" not in body
    assert not re.search(r"(?<!\\)\]\(http", body)
    assert not re.search(r"^# Title", body, re.MULTILINE)
    cells = [line for line in text.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in cells} <= {3, 5, 7}


@pytest.mark.parametrize("licence", ["apache-2.0", "MIT", " other "])
def test_licences_of_the_hub_are_taken(licence: str) -> None:
    assert check_licence(licence) in LICENCES


@pytest.mark.parametrize(("licence", "hint"), [("apache2", "apache-2.0"), ("my own", "other"), ("", "other")])
def test_any_other_licence_is_refused(licence: str, hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        check_licence(licence)


def test_licences_of_teachers_are_named() -> None:
    teachers = (Source("big", "llama3.3"), Source("far, at an endpoint"), Source("the model of the stage zero", made="see that stage"))
    card = model_card(RELEASED, History(None, (Step("distillation", "student", teachers=teachers),)))
    [line] = [line for line in card.split("\n") if line.startswith("Licences of teachers")]
    assert "`big` (`llama3.3`), `far, at an endpoint` (unknown)" in line
    assert "zero" not in line
