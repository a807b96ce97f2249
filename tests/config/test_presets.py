"""The papers' values: presets against the numbers in the papers, and `docs/papers.md` against the presets."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dunwu.config.presets import PRESETS, preset
from dunwu.config.rewards import HelpfulnessPart, SafetyPart
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError

PAPERS = Path(__file__).parents[2] / "docs" / "papers.md"


def config(name: str) -> ZeroConfig:
    return ZeroConfig.model_validate(preset(name))


@pytest.mark.parametrize("name", ["r1-zero-v1", "r1-zero-nature"])
def test_r1_zero(name: str) -> None:
    c = config(name)
    assert c.grpo.learning_rate == 3e-6  # N, Methods
    assert c.grpo.beta == 0.001  # N, Methods: KL coefficient
    assert c.sampling.temperature == 1.0  # N, Methods
    assert c.grpo.group_size == 16  # N, Methods: 16 outputs per question
    assert c.grpo.prompts_per_step * c.grpo.group_size == 8192  # N, Methods: each rollout generates 8,192 outputs
    assert c.grpo.minibatches == 16  # N, Methods: split into 16 mini-batches
    assert c.grpo.prompts_per_step * c.grpo.group_size / c.grpo.minibatches == 512  # N, Methods: batch of 32 questions x 16 = 512
    assert c.grpo.prompts_per_step / c.grpo.minibatches == 32  # N, Methods: 32 questions per step
    assert c.grpo.inner_epochs == 1  # N, Methods: a single inner epoch
    assert c.grpo.steps * c.grpo.minibatches == 10_400  # N, Methods: 10,400 steps, each an update on 512 outputs
    assert c.grpo.reference_every * c.grpo.minibatches == 400  # N, Methods: reference := policy every 400 steps
    assert c.sampling.max_tokens == 32_768  # N, Methods: before step 8.2k
    assert c.template == "r1-zero"  # v1 Table 1
    assert [(part.kind, part.weight) for part in c.reward] == [("accuracy", 1.0), ("format", 1.0)]  # N, Methods: equal weight
    assert c.grpo.algorithm == "grpo-r1"  # v1 Eqs. 1-3
    assert c.grpo.clip_low == c.grpo.clip_high == 0.2  # not stated for R1-Zero


def test_what_v1_does_not_state_is_said() -> None:
    values = PRESETS["r1-zero-v1"].values
    unstated = {key for key, entry in values.items() if "not stated" in entry.source}
    assert set(values) - unstated == {"template", "grpo.algorithm"}
    assert values["grpo.clip_low"].source == "not stated in v1, our default"
    for key in ("grpo.clip_low", "grpo.clip_high"):
        assert "not stated" in PRESETS["r1-zero-nature"].values[key].source


def test_the_change_of_length_in_nature_is_noted() -> None:
    (note,) = PRESETS["r1-zero-nature"].notes
    assert "65,536" in note.text  # N, Methods
    assert "8,200" in note.text  # N, Methods
    assert PRESETS["r1-zero-v1"].notes == ()


@pytest.mark.parametrize("name", [f"r1-stage{stage}-{source}" for stage in (2, 4) for source in ("v1", "nature")])
def test_the_stages_of_r1(name: str) -> None:
    c = config(name)
    assert c.grpo.learning_rate == 3e-6  # N, Methods
    assert c.grpo.beta == 0.001  # N, Methods: KL coefficient
    assert c.grpo.clip_low == c.grpo.clip_high == 10  # N, Methods: clip ratio
    assert c.sampling.temperature == (1.0 if "stage2" in name else 0.7)  # N, Methods
    assert c.grpo.group_size == 16  # N, Methods: outputs per question
    assert c.grpo.prompts_per_step * c.grpo.group_size == 8192  # N, Methods: outputs of a rollout
    assert c.grpo.prompts_per_step * c.grpo.group_size / c.grpo.minibatches == 512  # N, Methods: 32 questions x 16
    assert c.grpo.inner_epochs == 1  # N, Methods
    assert c.grpo.reference_every * c.grpo.minibatches == 400  # N, Methods
    assert c.sampling.max_tokens == 32_768  # N, Methods
    assert c.grpo.algorithm == "grpo-r1"  # v1 Eqs. 1-3


def test_the_rewards_of_r1s_stages() -> None:
    kinds = {name: [part.kind for part in config(f"r1-{name}").reward] for name in ("stage2-v1", "stage2-nature", "stage4-v1")}
    assert kinds["stage2-v1"] == ["accuracy", "language"]  # v1 section 2.3.2
    assert kinds["stage2-nature"] == ["accuracy", "format", "language"]  # N, Methods
    assert kinds["stage4-v1"] == ["accuracy", "helpfulness", "safety"]  # v1 section 2.3.4
    c = config("r1-stage4-nature")
    assert [part.kind for part in c.reward] == ["accuracy", "format", "language", "helpfulness", "safety"]  # N, Eqs. 8-10
    assert all(part.weight == 1 and not part.tasks for part in c.reward)  # N, Eqs. 8-10: added
    assert abs(c.grpo.steps * c.grpo.minibatches - 1700) < c.grpo.minibatches  # N, Methods: 1,700 steps
    for part in c.reward[3:]:
        assert isinstance(part, HelpfulnessPart | SafetyPart)
        assert (c.grpo.steps - round(part.after * c.grpo.steps)) * c.grpo.minibatches == 400  # N, Methods: only in the last 400
        assert abs(part.after - 1300 / 1700) < 1e-4


def test_what_is_left_to_the_user_is_noted() -> None:
    for name in ("r1-stage2-v1", "r1-stage2-nature"):
        assert "grpo.steps" not in PRESETS[name].values
        assert "until it converges" in PRESETS[name].notes[0].text  # v1 section 2.3.2
    assert all("reward-model" in PRESETS[f"r1-stage4-{source}"].notes[0].text for source in ("v1", "nature"))


def test_v1_states_the_rewards_of_the_stages_alone() -> None:
    for name in ("r1-stage2-v1", "r1-stage4-v1"):
        stated = {key for key, entry in PRESETS[name].values.items() if "not stated" not in entry.source}
        assert stated == {"reward", "grpo.algorithm"}


def test_deepseekmath() -> None:
    c = config("deepseekmath")
    assert c.grpo.learning_rate == 1e-6  # DM section 4.2
    assert c.grpo.beta == 0.04  # DM section 4.2
    assert c.grpo.group_size == 64  # DM section 4.2
    assert c.grpo.prompts_per_step * c.grpo.group_size == 1024  # DM section 4.2: training batch size
    assert c.grpo.minibatches * c.grpo.inner_epochs == 1  # DM section 4.2: a single update following each exploration stage
    assert c.sampling.max_tokens == 1024  # DM section 4.2
    assert c.grpo.algorithm == "grpo-deepseekmath"


def test_dapo() -> None:
    c = config("dapo")
    assert (c.grpo.clip_low, c.grpo.clip_high, c.grpo.beta) == (0.2, 0.28, 0)  # D sections 4.1, 2.3
    assert c.grpo.learning_rate == 1e-6  # D section 4.1
    assert c.grpo.warmup_steps == 20  # D section 4.1
    assert (c.grpo.prompts_per_step, c.grpo.group_size) == (512, 16)  # D section 4.1
    assert c.grpo.prompts_per_step * c.grpo.group_size / c.grpo.minibatches == 512  # D section 4.1: mini-batch size
    assert c.sampling.max_tokens - c.overlong_tokens == 16_384  # D section 4.1: expected maximum length
    assert c.overlong_tokens == 4096  # D section 4.1
    assert [(part.kind, part.weight) for part in c.reward] == [("accuracy", 2.0)]  # D section 2.4: 1 or -1, two apart
    assert c.grpo.algorithm == "dapo"


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_plain_whole_and_not_shared(name: str) -> None:
    nested = preset(name)
    flat = {f"{a}.{b}": v for a, section in nested.items() if isinstance(section, dict) for b, v in section.items()}
    flat |= {key: value for key, value in nested.items() if not isinstance(value, dict)}
    assert flat == {key: entry.value for key, entry in PRESETS[name].values.items()}
    assert all(type(value) in (int, float, str, list) for value in flat.values())
    assert all(entry.source for entry in PRESETS[name].values.values())
    nested["grpo"]["beta"] = 99.0
    nested.get("reward", []).clear()
    assert preset(name)["grpo"]["beta"] != 99.0
    assert preset(name).get("reward") == (PRESETS[name].values["reward"].value if "reward" in PRESETS[name].values else None)


@pytest.mark.parametrize(("wrong", "right"), [("r1-zero", "r1-zero-v1"), ("deepseek-math", "deepseekmath"), ("nature", "r1-zero-nature")])
def test_an_unknown_preset_is_refused_with_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown preset '{wrong}'; did you mean '{right}'"):
        preset(wrong)


@pytest.mark.parametrize("name", PRESETS)
def test_the_page_holds_exactly_the_values_of_the_preset(name: str) -> None:
    page = PAPERS.read_text(encoding="utf-8")
    section = re.search(rf"^## `{re.escape(name)}`:.*?(?=^## )", page, flags=re.MULTILINE | re.DOTALL)
    assert section is not None, f"docs/papers.md has no section for {name}"
    rows = re.findall(r"^\| `([\w.]+)` \| `([^`]+)` \| (.+?) \| `dunwu[\w.]+` \|$", section[0], flags=re.MULTILINE)
    assert rows == [(key, str(entry.value), entry.source) for key, entry in PRESETS[name].values.items()]
    for note in PRESETS[name].notes:
        assert note.text in section[0]


def test_presets_import_no_torch() -> None:
    code = "import sys, dunwu.config.presets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
