"""Rewards of models: whom they apply to, when they count, what they add, and that no score is made up."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from dunwu.config.rewards import HelpfulnessPart, SafetyPart
from dunwu.errors import ConfigError, Interrupted, ModelError
from dunwu.models.heads import load_scorer, set_label
from dunwu.models.loading import save_model
from dunwu.rewards.make import make_reward
from dunwu.rewards.scope import Visible, Whole
from dunwu.run.tables import read_rollouts
from dunwu.trainers.group_rewards import GroupRewards
from dunwu.trainers.model_rewards import ModelReward, ModelRewards, normalised, refuse_idle
from dunwu.types import Completion, Group, Problem, Prompt, Reward, Rollout, TokenSequence, Verdict

HELLO = Problem("h", "chat", "Hello!", "none")
HARM = Problem("x", "chat", "Harm!", "none", data={"harmful": True})
SUM = Problem("s", "sums", "1 + 1?", "number", answer="2")
UNVERIFIED = Verdict(None, "unverified")


@dataclass
class Letters:
    """Scores an answer by its number of letters a; keeps what it was shown."""

    scope: type[Visible] | type[Whole] = Visible
    shown: list[str] = field(default_factory=list)

    def score(self, problems: Sequence[Problem], scopes: Sequence[Visible | Whole]) -> list[float | None]:
        assert all(type(scope) is self.scope for scope in scopes)
        self.shown += [scope.text for scope in scopes]
        return [None if "LONG" in scope.text else float(scope.text.count("a")) for scope in scopes]


def group_of(problem: Problem, *texts: str, reward: Reward | None = None, prefill: str = "") -> Group:
    prompt = Prompt(problem, problem.text, (1,), prefill)
    reward = reward or Reward(0.5, {"format": 0.5}, UNVERIFIED)
    return Group(prompt, tuple(Rollout(prompt, Completion(TokenSequence.drawn((1,), (-1.0,), 0), text, "stop"), reward) for text in texts))


def helpful(scorer: Any = None, **keys: Any) -> ModelRewards:
    return ModelRewards((ModelReward(HelpfulnessPart(model="m", **keys), scorer or Letters()),))


def added(models: ModelRewards, *groups: Group, step: int = 1, steps: int = 1) -> list[list[tuple[float | None, float | None]]]:
    """Total and helpfulness of each rollout."""
    return [[(r.reward.total, r.reward.parts["helpfulness"]) for r in group.rollouts] for group in models.add(groups, step, steps)]


def test_the_weighted_score_is_a_part_of_the_sum() -> None:
    group = group_of(HELLO, "<think>aaaa</think>a", "<think></think>aaa")
    assert added(helpful(weight=2.0), group) == [[(0.5 + 2.0, 1.0), (0.5 + 6.0, 3.0)]]
    assert added(helpful(weight=0.0), group) == [[(0.5, 1.0), (0.5, 3.0)]]


def test_it_is_shown_its_scope_and_a_prefill_counts() -> None:
    scorer, whole = Letters(), Letters(Whole)
    group = group_of(HELLO, "secret</think>open", prefill="<think>")
    both = ModelRewards((ModelReward(HelpfulnessPart(model="m"), scorer), ModelReward(SafetyPart(model="m"), whole)))
    (found,) = both.add([group], 1, 1)
    assert (scorer.shown, whole.shown) == (["open"], ["<think>secret</think>open"])
    assert found.rollouts[0].reward.parts == {"format": 0.5, "helpfulness": 0.0, "safety": 0.0}


def test_reasoning_that_never_ends_gets_the_least_of_its_group() -> None:
    class ModestLetters(Letters):
        def score(self, problems: Sequence[Problem], scopes: Sequence[Visible | Whole]) -> list[float | None]:
            return [9.0 if not scope.text else float(scope.text.count("a")) for scope in scopes]  # nothing is what it likes best

    texts = ("<think>x</think>a", "<think>aaa", "<think>x</think> ", "<think>x</think>aa")
    assert [score for _, score in added(helpful(ModestLetters()), group_of(HELLO, *texts))[0]] == [1.0, 1.0, 1.0, 2.0]
    assert [score for _, score in added(helpful(ModestLetters()), group_of(HELLO, *texts[1:3]))[0]] == [9.0, 9.0]  # a dead group


def test_a_missing_score_excludes_the_rollout() -> None:
    (found,) = helpful().add([group_of(HELLO, "LONG", "a")], 1, 1)
    failed, fine = (rollout.reward for rollout in found.rollouts)
    assert (failed.total, failed.verdict.score, failed.verdict.reason) == (None, None, "error")
    assert "part helpfulness: longer than the model reads" in failed.verdict.detail
    assert fine.total == 1.5


@pytest.mark.parametrize(
    ("reward", "total"),
    [
        (Reward(None, {}, UNVERIFIED), 1.0),  # nothing else applies
        (Reward(None, {"accuracy": 0.0}, Verdict(0.0, "wrong")), 1.0),  # accuracy is not a part of the reward
        (Reward(None, {}, Verdict(None, "error", "a rule failed")), None),
        (Reward(None, {}, Verdict(None, "timeout")), None),
    ],
)
def test_a_reward_that_failed_stays_failed(reward: Reward, total: float | None) -> None:
    assert added(helpful(), group_of(HELLO, "a", reward=reward)) == [[(total, 1.0)]]


@pytest.mark.parametrize(
    ("part", "applies"),
    [
        (HelpfulnessPart(model="m"), [HELLO]),
        (SafetyPart(model="m"), [HELLO, HARM]),
        (HelpfulnessPart(model="m", tasks=("sums",)), [SUM]),
        (SafetyPart(model="m", tasks=("chat",)), [HELLO, HARM]),
    ],
)
def test_reasoning_gets_no_models_reward_unless_named(part: Any, applies: list[Problem]) -> None:
    assert [problem for problem in (HELLO, HARM, SUM) if ModelReward(part, Letters()).applies(problem)] == applies


def test_a_model_without_anything_to_score_is_refused() -> None:
    parts = [HelpfulnessPart(model="m")]
    refuse_idle(parts, [SUM, HELLO])
    with pytest.raises(ConfigError, match="helpfulness applies to none of the problems; add general prompts"):
        refuse_idle(parts, [SUM, HARM])


def test_where_it_does_not_apply_it_is_none_and_is_not_computed() -> None:
    scorer = Letters()
    groups = [group_of(SUM, "a", "a"), group_of(HELLO, "a", "aa")]
    assert added(helpful(scorer), *groups) == [[(0.5, None)] * 2, [(1.5, 1.0), (2.5, 2.0)]]
    assert scorer.shown == ["a", "aa"]
    assert added(helpful(scorer, after=0.5), *groups, step=1, steps=2) == [[(0.5, None)] * 2] * 2
    assert scorer.shown == ["a", "aa"]


def test_it_counts_after_its_share_of_the_steps() -> None:
    part = ModelReward(HelpfulnessPart(model="m", after=1300 / 1700), Letters())
    assert [step for step in range(1, 1701) if part.counts(step, 1700)] == list(range(1301, 1701))  # the paper's last 400
    assert all(ModelReward(HelpfulnessPart(model="m"), Letters()).counts(step, 3) for step in (1, 2, 3))


def test_normalised_scores_have_the_groups_deviation_as_unit() -> None:
    assert normalised([1.0, None, 3.0]) == [-1.0, None, 1.0]
    assert normalised([7.0, 7.0]) == [0.0, 0.0]
    assert normalised([None, None]) == [None, None]
    found = added(helpful(normalise=True, weight=0.5), group_of(HELLO, "a", "aaa"))
    assert found == [[(0.0, 1.0), (1.0, 3.0)]]  # the part keeps the model's own score


def test_equal_answers_have_equal_scores() -> None:
    class Drifting(Letters):
        def score(self, problems: Sequence[Problem], scopes: Sequence[Visible | Whole]) -> list[float | None]:
            return [1.0 + 1e-6 * place for place, _ in enumerate(scopes)]  # as rows of one batch may differ

    found = added(helpful(Drifting(), normalise=True), group_of(HELLO, "a", "a", "a"), group_of(HARM, "a"), group_of(HELLO, "a", "b", "a"))
    assert {total for total, _ in found[0]} == {0.5}
    assert found[2][0] == found[2][2] != found[2][1]


# On the small model


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, new_policy: Callable[..., Any], world_tokenizer: Any) -> dict[str, str]:
    """Untrained scorers."""
    root, policy = tmp_path_factory.mktemp("scorers"), new_policy(1)
    with torch.no_grad():
        for matrix in (p for p in policy.parameters() if p.ndim == 2):
            matrix.mul_(8)  # so that scores differ visibly
    save_model(policy, world_tokenizer, root / "base")
    for label in ("helpfulness", "safety"):
        model, tokenizer = load_scorer(str(root / "base"), seed=0)
        set_label(model, label)
        save_model(model, tokenizer, root / label)
    return {path.name: str(path) for path in root.iterdir()}


@pytest.fixture
def mixed(zero_config: Callable[..., Any], say_data: Path, folders: dict[str, str], tmp_path: Path) -> Callable[..., Any]:
    """The configuration of a run on numbers and general prompts, with both models."""
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    rows = [{"prompt": f"Tell me of {thing}.", "harmful": thing == "theft"} for thing in ("cats", "dogs", "tea", "theft")]
    (prompts / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    tasks = f"tasks=[{{task: {{kind: dataset, path: {say_data}}}}}, {{task: {{kind: chat, path: {prompts}}}}}]"

    def make(*overrides: str, after: float = 0.0) -> Any:
        models = f"{{kind: helpfulness, model: {folders['helpfulness']}, after: {after}}}, {{kind: safety, model: {folders['safety']}}}"
        return zero_config(tasks, f"reward=[accuracy, format, {models}]", "grpo.prompts_per_step=8", "dump_rollouts_every=1", *overrides)

    return make


OpenTrainer = Callable[..., AbstractContextManager[Any]]


def test_rules_for_reasoning_and_models_for_general_prompts(open_trainer: OpenTrainer, mixed: Callable[..., Any], tmp_path: Path) -> None:
    config = mixed(after=1 / 3)
    with open_trainer(tmp_path / "run", config, reward=make_reward(config.reward)) as trainer:
        trainer.group_rewards = GroupRewards(config, trainer.pool.weights, ModelRewards.load(config.reward))
        metrics = [trainer.step(step) for step in (1, 2, 3)]
        rows = [read_rollouts(trainer.run.rollouts_path(step)) for step in (1, 2, 3)]
    assert all(row["reward_helpfulness"] is None for row in rows[0] + rows[1])
    assert (metrics[1]["rewards/helpfulness/applied"], metrics[1]["rewards/helpfulness"]) == (0.0, None)
    assert metrics[2]["rewards/helpfulness/applied"] > 0.2
    assert {row["task"] for row in rows[2]} >= {"chat"}
    for row in rows[2]:
        general, harmful = row["task"] == "chat", row["data"].get("harmful", False)
        assert (row["reward_accuracy"] is None) == general == (row["verdict"] == "unverified")
        assert (row["reward_safety"] is not None) == general
        assert (row["reward_helpfulness"] is not None) == (general and not harmful)
        parts = (row[f"reward_{name}"] or 0.0 for name in ("accuracy", "format", "helpfulness", "safety"))
        assert row["reward"] == pytest.approx(sum(parts))
    assert metrics[2]["excluded"] == 0
    known = [row["reward_helpfulness"] for row in rows[2] if row["reward_helpfulness"] is not None]
    assert metrics[2]["rewards/helpfulness"] == pytest.approx(sum(known) / len(known))
    assert metrics[2]["rewards/helpfulness/std"] > 0


def test_stopped_before_it_counts_and_resumed_is_uninterrupted(
    open_trainer: OpenTrainer,
    train_until: Callable[..., Path],
    mixed: Callable[..., Any],
    same_files: Callable[[Path, Path], None],
    timeless: Callable[[Path], list[dict[str, Any]]],
    tmp_path: Path,
) -> None:
    config = mixed("grpo.steps=4", after=0.5)

    def train(path: Path, resume: bool = False, stop: int = 0) -> Path:
        with open_trainer(path, config, resume=resume, reward=make_reward(config.reward)) as trainer:
            trainer.group_rewards = GroupRewards(config, trainer.pool.weights, ModelRewards.load(config.reward))
            return train_until(trainer.run, trainer, config, 4, stop)

    whole = train(tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(tmp_path / "run", stop=1)
    same_files(whole, train(tmp_path / "run", resume=True))
    assert timeless(tmp_path / "whole") == timeless(tmp_path / "run")


def test_a_folder_of_another_criterion_is_refused(folders: dict[str, str]) -> None:
    assert ModelRewards.load([]).parts == ()
    with pytest.raises(ModelError, match="judges 'safety', not helpfulness"):
        ModelRewards.load([HelpfulnessPart(model=folders["safety"])])
