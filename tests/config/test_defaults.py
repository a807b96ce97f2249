"""Values that follow the model: below all that is set, and only for models other than the tiny one."""

from typing import Any

import pytest

from dunwu.config.defaults import LENGTH, TINY, ModelFacts, following, in_words
from dunwu.config.load import follow, load_config, load_following
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.tasks import CountdownTask, DatasetTask, Game24Task
from dunwu.config.template import TemplateConfig
from dunwu.config.zero import EvalConfig, PromptedEvalConfig, ZeroConfig

OTHER = ModelFacts(tiny=False)
CHAT = ModelFacts(tiny=False, chat=True)
ASKED = TemplateConfig(suffix="answer_form")
FORM = "boxed-or-last-number"


def zero(*overrides: str, facts: ModelFacts = OTHER) -> ZeroConfig:
    return load_following(ZeroConfig, None, overrides, following("zero", facts))[0]


def test_another_model_is_not_trained_with_the_demos_values() -> None:
    config = zero()
    assert (config.template, config.grpo.learning_rate, config.sampling.max_tokens) == ("auto", 1e-6, LENGTH)
    assert [each.task for each in config.tasks] == [CountdownTask(wording="full")]
    [held_out] = config.evaluations
    assert held_out.task == CountdownTask(wording="full")
    assert (held_out.sampling.temperature, held_out.sampling.top_p, held_out.sampling.max_tokens) == (0.6, 0.95, LENGTH)
    sft = load_following(SftConfig, None, ["data=x.jsonl"], following("sft", OTHER))[0]
    assert (sft.template, sft.learning_rate) == ("auto", 1e-5)
    assert load_following(RewardModelConfig, None, [], following("reward-model", OTHER))[0].learning_rate == 1e-5
    evaluation = follow(EvalConfig, {"task": "game24"}, following("eval", OTHER))[0]
    assert (evaluation.task, evaluation.sampling) == (Game24Task(wording="full"), held_out.sampling)


@pytest.mark.parametrize("lora", ["lora={}", "lora.rank=8", "lora={rank: 4}"])
def test_adapters_have_a_learning_rate_of_their_own(lora: str) -> None:
    assert zero(lora).grpo.learning_rate == 1e-5
    assert load_following(SftConfig, None, ["data=x.jsonl", lora], following("sft", OTHER))[0].learning_rate == 1e-4
    assert zero(lora, "grpo.learning_rate=3e-6").grpo.learning_rate == 3e-6
    assert zero("lora=null").grpo.learning_rate == 1e-6
    assert zero(lora, facts=ModelFacts()).grpo == load_config(ZeroConfig, None, []).grpo


@pytest.mark.parametrize("command", ["zero", "sft", "reward-model", "eval", "pretrain"])
def test_the_tiny_model_keeps_the_demos(command: str) -> None:
    assert following(command, ModelFacts()) == TINY
    assert zero(facts=ModelFacts()) == load_config(ZeroConfig, None, [])


def test_what_is_set_wins() -> None:
    config = zero(
        "template=tiny",
        "grpo.learning_rate=1e-4",
        "tasks=[gsm8k, {kind: game24, wording: short}]",
        "sampling.max_tokens=50",
        "evaluations=[game24, {task: gsm8k, sampling: {temperature: 1.0}}, {kind: countdown}]",
    )
    assert (config.template, config.grpo.learning_rate, config.sampling.max_tokens) == ("tiny", 1e-4, 50)
    assert [each.task for each in config.tasks] == [DatasetTask(path="gsm8k"), Game24Task(wording="short")]
    sampled = [(each.sampling.temperature, each.sampling.top_p, each.sampling.max_tokens) for each in config.evaluations]
    assert sampled == [(0.6, 0.95, 50), (1.0, 0.95, 50), (0.6, 0.95, 50)]
    assert zero("preset=dapo").grpo.learning_rate == 1e-6
    assert zero("preset=r1-zero-nature").grpo.learning_rate == 3e-6
    assert zero("preset=r1-zero-nature").template == "r1-zero"
    assert zero("evaluations.0.problems=5").evaluations[0].sampling.temperature == 0.6


def test_a_completion_fits_and_a_checkpoint_keeps_its_template() -> None:
    assert zero(facts=ModelFacts(False, positions=512)).sampling.max_tokens == 256
    assert zero(facts=ModelFacts(False, positions=100_000)).sampling.max_tokens == LENGTH
    assert zero(facts=ModelFacts(False, template="chatml")).template == "chatml"
    assert zero(facts=ModelFacts(True, template="r1-zero")).template == "r1-zero"


def test_what_was_chosen_is_said_and_nothing_else() -> None:
    values: dict[str, Any] = {"template": "chatml", "tasks": "gsm8k", "grpo": {"steps": 3}}
    _, chosen = follow(ZeroConfig, values, following("zero", OTHER))
    assert chosen.keys() == {"grpo.learning_rate", "sampling.max_tokens"}
    said = in_words(chosen)
    assert "grpo.learning_rate=1e-06 (" in said
    assert "template" not in said
    assert in_words({}) == ""


@pytest.mark.parametrize("tasks", ["gsm8k", "[gsm8k]", "[{task: gsm8k}, countdown]", "reasoning-gym:chain_sum"])
def test_a_chat_model_is_asked_for_an_answer_that_is_read(tasks: str) -> None:
    config = zero(f"tasks={tasks}", facts=CHAT)
    assert (config.template, config.answer_form) == (ASKED, FORM)
    assert {each.answer_form for each in config.evaluations} == {FORM}
    found = load_following(PromptedEvalConfig, None, [f"task={tasks}"], following("eval", CHAT))[0] if "[" not in tasks else config
    assert (found.template, found.answer_form) == (ASKED, FORM)
    own = zero(f"tasks={tasks}", "answer_form=####", facts=CHAT)
    assert (own.template, own.answer_form) == (ASKED, "####")


@pytest.mark.parametrize(
    ("facts", "overrides", "template", "form"),
    [
        (CHAT, [], "auto", "tags-or-boxed"),  # the problems of countdown ask for tags
        (CHAT, ["tasks=humaneval"], "auto", "tags-or-boxed"),
        (OTHER, ["tasks=gsm8k"], "auto", "tags-or-boxed"),  # r1-zero for a base model, which asks for tags
        (CHAT, ["tasks=gsm8k", "template=r1-zero"], "r1-zero", "tags-or-boxed"),
        (CHAT, ["tasks=gsm8k", "template.system=r1"], TemplateConfig(system="r1"), "tags-or-boxed"),
        (CHAT, ["template.system=Use ####."], TemplateConfig(system="Use ####."), "####"),
        (ModelFacts(), [r"template.suffix=Put it in \boxed{}."], TemplateConfig(base="tiny", suffix=r"Put it in \boxed{}."), "boxed"),
        (ModelFacts(False, "auto", chat=True), ["tasks=gsm8k"], "auto", "tags-or-boxed"),
        (ModelFacts(False, {"suffix": "answer_form"}, None, True, "####"), ["tasks=gsm8k"], ASKED, "####"),
        (ModelFacts(False, {"system": r"\boxed"}, chat=True), ["tasks=gsm8k"], TemplateConfig(system=r"\boxed"), "boxed"),
        (ModelFacts(False, "auto", None, True, FORM), ["tasks=gsm8k", "template=r1-zero"], "r1-zero", "tags-or-boxed"),
        (
            ModelFacts(False, {"suffix": "answer_form"}, None, True, FORM),
            ["template.system=Hi."],
            ASKED.model_copy(update={"system": "Hi."}),
            FORM,
        ),
        (ModelFacts(False, "r1-zero", chat=True), ["template.suffix=Hi."], TemplateConfig(base="r1-zero", suffix="Hi."), "tags-or-boxed"),
        (ModelFacts(), ["template.suffix=Hi."], TemplateConfig(base="tiny", suffix="Hi."), "tags-or-boxed"),
        (ModelFacts(True, "tiny", None, True, "boxed"), [], "tiny", "boxed"),
    ],
)
def test_template_and_form_agree(facts: ModelFacts, overrides: list[str], template: Any, form: str) -> None:
    config = zero(*overrides, facts=facts)
    assert (config.template, config.answer_form) == (template, form)
