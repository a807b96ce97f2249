"""R1-Zero: pure reinforcement learning on a base model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from dunwu.config.base import Bound, Count, Positive, as_tuples
from dunwu.config.blocks import (
    Answering,
    Budgeted,
    HeldOutSamples,
    Machine,
    PolicyOptimising,
    PolicyWeights,
    SamplingConfig,
    Saving,
    Seeded,
    Verifying,
)
from dunwu.config.data import EndpointGenerator
from dunwu.config.protocols import ProtocolName, with_protocol
from dunwu.config.rewards import AccuracyPart, FormatPart, ModelPartConfig, Parts, TeacherPart, TripwireConfig
from dunwu.config.suites import with_suite
from dunwu.config.tasks import ChatTask, CountdownTask, EnvironmentTask, TaskConfig, Tasks, WeightedTask, each_with_task
from dunwu.config.teacher import AskedTeacher, DialogueConfig
from dunwu.config.template import PromptTemplate, Template
from dunwu.text.answer_forms import DEFAULT, KEY
from dunwu.types import AnswerForm


class GrpoConfig(PolicyOptimising):
    """The algorithm and its optimiser. Defaults are those of the demo, except `beta`; papers' values are presets (`dunwu.config.presets`).

    null takes the algorithm's own value: `dunwu.algorithms.recipes` has the numbers, `dunwu zero` prints them when it starts.
    """

    algorithm: str = "grpo-r1"
    """grpo-r1, grpo-r1-output, grpo-centred, grpo-deepseekmath, dr-grpo, dapo, gspo, cispo, rloo, reinforce++, reinforce++-baseline."""
    steps: Positive = 150
    """Rollout batches. Each gives `inner_epochs * minibatches` optimiser updates."""
    prompts_per_step: Positive = 64
    """Prompts in a rollout batch."""
    group_size: Annotated[int, Field(ge=2)] = 8
    """Completions per prompt."""
    minibatches: Positive = 1
    """Optimiser updates per pass over a rollout batch."""
    inner_epochs: Positive = 1
    """Passes over the same rollouts; above 1 (or with minibatches) the trainer computes old log-probabilities."""
    section: ClassVar[str] = "grpo."
    max_learning_rate: Bound = 0.01
    """A higher learning rate is refused; lower than in fine-tuning, as the gradient of a few rewards is noisier. `.inf` allows any."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    clip_low: Annotated[float, Field(gt=0)] | None = None
    """Lower clip: ratio >= 1 - clip_low. null: the algorithm's."""
    clip_high: Bound | None = None
    """Upper clip: ratio <= 1 + clip_high. null: the algorithm's."""
    beta: Annotated[float, Field(ge=0)] | None = None
    """Weight of the KL to the reference in the loss; 0: no reference model is loaded. null: the algorithm's."""
    reference_every: Count | None = None
    """Replace the reference by the current policy every this many steps; 0 keeps the base model. null: the algorithm's."""
    max_sampling_rounds: Positive | None = None
    """Dynamic sampling: dead groups (all rewards equal) are replaced by groups of further prompts, in at most this many sampling
    rounds a step; 1 switches it off. null: the algorithm's."""
    staleness: Annotated[int, Field(ge=0, le=1)] = 0
    """1: sample the next step's rollouts during the update, from a copy of the weights before it; needs tis_clip. Only a device that can do
    both at once gains from it, not a few CPU cores."""
    tis_clip: Annotated[float, Field(ge=0, allow_inf_nan=True)] = 0.0
    """Upper bound of the importance weight exp(old - behaviour) that corrects for the engine's mismatch, such as 2; 0 switches it off."""
    tis_mode: Literal["token", "output", "token-mask", "output-mask"] = "token"
    """Weight per token or per output; above the bound it is clipped, or with `-mask` set to 0."""
    entropy_bonus: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the entropy bonus, which raises the policy's entropy; with a target, the initial weight."""
    entropy_target: Annotated[float, Field(gt=0)] | None = None
    """Target entropy (nats per token), for which the weight of the bonus is adjusted; null keeps the weight."""
    entropy_step: Annotated[float, Field(gt=0)] = 0.005
    """Change of the bonus weight per step."""
    covariance_control: Literal["clip-cov", "kl-cov"] | None = None
    """Restrain the tokens that lower entropy most, by no gradient (clip-cov) or a KL penalty (kl-cov); null: neither."""
    covariance_share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of an update's tokens to restrain; null: the paper's, 2e-4 for clip-cov and 2e-3 for kl-cov."""

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        if 0 < self.tis_clip < 1:
            raise ValueError(
                f"tis_clip = {self.tis_clip:g} would shrink tokens without a mismatch; set it to 1 or more, such as 2, or to 0"
            )
        if self.tis_clip == 0 and self.tis_mode != "token":
            raise ValueError(f"tis_mode = {self.tis_mode!r} does nothing while tis_clip is 0; set tis_clip too, such as 2")
        if self.entropy_bonus == 0 and self.entropy_target is not None:
            raise ValueError(f"entropy_target = {self.entropy_target:g} needs a bonus to adjust; set entropy_bonus too, such as 0.005")
        if self.covariance_control is None and self.covariance_share is not None:
            raise ValueError(f"covariance_share = {self.covariance_share:g} needs a covariance_control; set it too, such as 'clip-cov'")
        if self.covariance_control == "kl-cov" and self.minibatches * self.inner_epochs == 1:
            raise ValueError("covariance_control = 'kl-cov' does nothing in a single update a step; set minibatches or inner_epochs to 2")
        return self

    def refuse_uncorrected(self) -> None:
        """Raise ``ValueError`` for rollouts of an older policy without a correction. Not of `_check_options`: a dialogue comes first."""
        if self.staleness and self.tis_clip == 0:
            raise ValueError(
                "grpo.staleness = 1 samples from an older policy, uncorrected while tis_clip is 0; set grpo.tis_clip too, such as 2"
            )


def over_suite_and_protocol(given: Any) -> Any:
    """The keys of an eval set over those of its suite and its protocol; without either the keys as they are."""
    return with_protocol(with_suite(given))


class EvalConfig(HeldOutSamples):
    """An eval set: held-out problems with several completions of each."""

    task: TaskConfig = CountdownTask()
    """Source of the problems."""
    answer_form: AnswerForm | None = None
    """Where the answer of a completion stands, as in `ZeroConfig`; null: as in training, else tags-or-boxed."""
    suite: str | None = None
    """A named suite, such as aime2024 (docs/evaluation.md lists them), whose task and numbers stand under the keys of this set; its file
    or folder is `data`. null: none."""
    protocol: ProtocolName | None = None
    """How a paper evaluates, under the keys of this set. r1: temperature 0.6, top_p 0.95, up to 32,768 tokens, and 64, 16 or 8 samples by
    suite. null: none."""
    group_by: tuple[str, ...] = ()
    """Columns of the rows, such as level, by whose values pass@1 is also reported; gold is the answer."""

    @model_validator(mode="before")
    @classmethod
    def _over_suite_and_protocol(cls, given: Any) -> Any:
        return as_tuples(over_suite_and_protocol(given)) if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _never_greedy(self) -> Self:
        if self.protocol and self.sampling.temperature == 0:
            raise ValueError(f"protocol {self.protocol} is never greedy: set sampling.temperature above 0, or no protocol")
        return self

    @field_validator("answer_form")
    @classmethod
    def _as_trained(cls, form: AnswerForm | None, info: ValidationInfo) -> AnswerForm | None:
        return form or (info.context or {}).get(KEY)


class PromptedEvalConfig(EvalConfig):
    """An eval set, and how the model is asked."""

    template: PromptTemplate = "tiny"
    """Prompt template, as in `ZeroConfig`."""

    def parts(self) -> tuple[EvalConfig, Template]:
        """The eval set alone, and the template."""
        return EvalConfig.model_construct(**{name: getattr(self, name) for name in EvalConfig.model_fields}), self.template


Evaluations = Annotated[tuple[EvalConfig, ...], BeforeValidator(each_with_task)]
"""Eval sets, such as `gsm8k`, `[gsm8k, game24]` or `[{task: gsm8k, problems: 500}]`."""


def sets_of(sources: Tasks, sampling: SamplingConfig) -> tuple[EvalConfig, ...]:
    """An eval set for each task that can be verified."""
    tasks = dict.fromkeys(each.task for each in sources if not isinstance(each.task, ChatTask | EnvironmentTask))
    return tuple(EvalConfig(task=task, sampling=sampling) for task in tasks)


def _of_tasks(data: Mapping[str, Any]) -> tuple[EvalConfig, ...]:
    """`sets_of` with completions as long as in training."""
    return sets_of(data["tasks"], SamplingConfig(max_tokens=data["sampling"].max_tokens))


def sampled_as(sampling: dict[str, Any], sets: Any, all_sets: bool) -> Any:
    """Eval sets with this sampling below their own, as data."""
    return as_tuples([_below(sampling, each, all_sets) for each in ([sets] if isinstance(sets, str | dict) else sets)])


def _below(sampling: dict[str, Any], each: Any, all_sets: bool) -> Any:
    """An eval set with this sampling below its own: one that is only named or that follows a task, or any of ``all_sets``."""
    if isinstance(each, EvalConfig):
        return each.model_copy(update={"sampling": SamplingConfig(**sampling)})
    if not (isinstance(each, str) or (all_sets and isinstance(each, dict))):
        return each
    keys = over_suite_and_protocol(each) if isinstance(each, dict) and "kind" not in each else {"task": each}
    own = keys.get("sampling", {})
    return {**keys, "sampling": {**sampling, **own} if isinstance(own, dict) else own}


class ZeroConfig(Budgeted, Seeded, Machine, Verifying, Saving, PolicyWeights, Answering):
    """One R1-Zero run: reinforcement learning from verifiable rewards."""

    tasks: Tasks = (WeightedTask(task=CountdownTask()),)
    """Training problems: a task such as `gsm8k` or `rows.jsonl`, or a mixture such as `[gsm8k, {task: game24, weight: 2.0}]`."""
    answer_form: AnswerForm = DEFAULT
    """Where the answer of a completion stands: tags (`<answer>...</answer>`), boxed (`\\boxed{}`), tags-or-boxed, `####` (the rest of the
    last such line, as in GSM8K), last-number or boxed-or-last-number. Verifier, format reward, full wording and evaluations follow it.
    last-number is meant for evaluating plain models: in training, a text that breaks off after the right number counts as right."""
    grpo: GrpoConfig = GrpoConfig()
    """The algorithm and its optimiser."""
    sampling: SamplingConfig = SamplingConfig()
    """How rollouts are sampled. The trainer's probabilities are over the whole vocabulary, so only evaluations may set top_p, top_k and
    min_p."""
    evaluations: Evaluations = Field(default_factory=_of_tasks)
    """Eval sets, measured before and after training and with `evaluate_every` during it, such as `gsm8k` or
    `[{task: gsm8k, problems: 500}]`. Not set: the test split of each task that can be verified."""
    evaluate_every: Count = 0
    """Measure the eval sets also every this many steps, each of which is saved first; 0: only before and after. Training is not affected;
    may change when a run is resumed."""
    evaluate_problems: Positive | None = None
    """Problems of an eval set that are measured during training, spread over all of them; null: all."""
    reward: Parts = (AccuracyPart(), FormatPart())
    """Parts with weights, such as `[accuracy, format, {kind: language, weight: 0.5}]`, or a custom function, `path/to/file.py:function`."""
    tripwire: TripwireConfig | None = None
    """A hidden, stricter check of a sample of the rollouts that stops the run if the reward is hacked. null: none."""
    dialogue: DialogueConfig | None = None
    """Several answers to each problem, with replies of a teacher in between, such as {turns: 2}; null: one answer. Evaluations have one."""
    overlong_tokens: Count = 0
    """Soft overlong punishment: the reward falls by up to 1 over this many tokens before sampling.max_tokens; 0: none."""
    cosine_length_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the cosine length reward (arXiv 2502.03373), which penalises long right answers and short wrong ones; 0: none."""
    max_prompt_tokens: Positive = 1024
    """Longer prompts are never cut: a data set with one is refused, or the row dropped (`unusable` of the task); a generated problem is
    replaced by another. May be raised when a run is resumed."""
    save_every: Positive = 20
    sample_every: Positive = 10
    dump_rollouts_every: Positive = 10
    """Write all rollouts of every n-th step to `rollouts/`."""

    def resume_may_change(self, key: str, old: Any, new: Any) -> bool:
        """`Saving.resume_may_change`; `max_prompt_tokens` may be raised, to accept prompts that stopped it, and steps, to train further."""
        if key == "grpo.steps":
            return new > old and not any(isinstance(part, ModelPartConfig) and part.after for part in self.reward)
        free = key in ("sample_every", "dump_rollouts_every", "evaluate_every", "reward_workers", "reward_timeout")
        free = free or (".teacher." in key and key.rpartition(".")[2] in EndpointGenerator.operation)
        return free or (key == "max_prompt_tokens" and new > old) or super().resume_may_change(key, old, new)

    @field_validator("evaluations", mode="before")
    @classmethod
    def _sampled(cls, sets: Any, info: ValidationInfo) -> Any:
        """Sets that are only named are sampled with the length of training, and as the context says; that is below what other sets say."""
        evaluated = (info.context or {}).get("evaluated", {})
        if "sampling" not in info.data or not isinstance(sets, str | dict | list | tuple):
            return sets
        below = {"max_tokens": info.data["sampling"].max_tokens, **evaluated}
        return sampled_as(below, sets, bool(evaluated))

    @field_validator("evaluations")
    @classmethod
    def _answered_as_in_training(cls, sets: tuple[EvalConfig, ...], info: ValidationInfo) -> tuple[EvalConfig, ...]:
        form = info.data.get("answer_form", DEFAULT)
        return sets if form == DEFAULT else tuple(each if each.answer_form else each.model_copy(update={KEY: form}) for each in sets)

    @field_validator("sampling")
    @classmethod
    def _check_sampling(cls, sampling: SamplingConfig) -> SamplingConfig:
        """Refuse sampling with equal completions, or from part of the vocabulary, since the trainer's probabilities are over all of it."""
        if sampling.temperature == 0:
            raise ValueError("temperature = 0 gives a group of equal completions, which teach nothing; set it above 0, such as 1")
        for name in ("top_p", "top_k", "min_p"):
            if (value := getattr(sampling, name)) != SamplingConfig.model_fields[name].default:
                raise ValueError(
                    f"{name} = {value:g} excludes tokens that the trainer counts, so its ratios would be wrong; remove it and"
                    " set temperature (evaluations may set it)"
                )
        return sampling

    @property
    def completion_tokens(self) -> int:
        """Tokens behind a prompt, at most: of all answers, and of the replies between them."""
        turns, between = (1, 0) if self.dialogue is None else (self.dialogue.turns, self.dialogue.max_tokens)
        return turns * self.sampling.max_tokens + (turns - 1) * between

    @property
    def dialogue_teacher(self) -> AskedTeacher | None:
        """The teacher that replies; ``None`` if none does."""
        how = self.dialogue
        if how is None:
            return None
        if how.teacher is not None:
            return AskedTeacher(teacher=how.teacher, sampling=how.sampling, ask_for_form=how.ask_for_form)
        part = next((part for part in self.reward if isinstance(part, TeacherPart)), None)
        return part and AskedTeacher(
            teacher=part.teacher, sampling=how.sampling or part.sampling, ask_for_form=how.ask_for_form or part.ask_for_form
        )

    @model_validator(mode="after")
    def _check_dialogue(self) -> Self:
        if self.dialogue is None:
            return self
        if self.dialogue_teacher is None:
            raise ValueError("dialogue has no teacher: set dialogue.teacher, or add a part of kind teacher to the reward")
        if self.grpo.staleness:
            raise ValueError("a dialogue cannot be sampled during the update: set grpo.staleness=0, or leave dialogue out")
        if self.overlong_tokens or self.cosine_length_weight:
            raise ValueError(
                "a reward by length is of one answer: set overlong_tokens and cosine_length_weight to 0, or leave dialogue out"
            )
        return self

    @model_validator(mode="after")
    def _check_staleness(self) -> Self:
        self.grpo.refuse_uncorrected()
        return self

    @model_validator(mode="after")
    def _check_overlong(self) -> Self:
        if self.overlong_tokens > self.sampling.max_tokens:
            raise ValueError(
                f"overlong_tokens = {self.overlong_tokens} is more than sampling.max_tokens = {self.sampling.max_tokens}; "
                "set it to less, such as a fifth"
            )
        return self
