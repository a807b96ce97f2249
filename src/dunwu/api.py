"""The Python interface: the functions of `import dunwu`, from plain arguments to a result (docs/python.md). `dunwu.jobs` does the work.

Modules that load torch are imported inside the functions that need them, so that checking an answer loads none.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from dunwu.analysis.rundir import Run, read_run
from dunwu.config.base import SEEDS, Config, merge
from dunwu.config.blocks import Answering, EngineConfig, Machine, Saving
from dunwu.config.defaults import ModelFacts, following, in_words, template_of
from dunwu.config.load import Chosen, follow, read_mapping, validate, with_preset
from dunwu.config.recipe_commands import recipe_of
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.rewards import ModelPartConfig, OwnPart, TeacherPart
from dunwu.config.sft import SftConfig
from dunwu.config.tasks import TaskConfig
from dunwu.config.template import AnyTemplate
from dunwu.config.zero import EvalConfig, PromptedEvalConfig, ZeroConfig
from dunwu.data.few_shot import with_examples
from dunwu.errors import ConfigError, DataError, ModelError
from dunwu.evaluation.result import EvaluationResult
from dunwu.evaluation.store import refuse_taken
from dunwu.models.facts import model_facts
from dunwu.models.thinking import parse_completion
from dunwu.pipeline.artefacts import Artefact
from dunwu.pipeline.graph import Pipeline
from dunwu.pipeline.run_models import model_of, own_evaluation
from dunwu.rewards.make import make_reward
from dunwu.rewards.outcome import compute
from dunwu.run.console import ConsoleReporter
from dunwu.run.reporter import Reporter
from dunwu.run.resume import check_resume, own_config
from dunwu.tasks.make import make_task
from dunwu.text.answer_forms import FORMS, in_form
from dunwu.types import AnswerForm, Completion, Problem, Request, Reward, Split, Verdict, VerifierName
from dunwu.verifiers import verify as verifiers
from dunwu.verifiers.problem import problem_fault

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

AnyConfig = TypeVar("AnyConfig", bound=Config)
AnyRun = TypeVar("AnyRun", bound=Saving)
Recipe = str | Path | Mapping[str, Any]
"""A YAML file, the name of a recipe that comes with Dunwu, or its keys as data."""
Model = str | Path | tuple[Any, Any]
"""`tiny`, a folder, a hub id, or what `load_model` returned."""
Messages = Sequence[Mapping[str, str]]
"""A conversation: `[{"role": "user", "content": ...}]`."""
CONSOLE = ConsoleReporter()
"""Prints the messages of a run as the command line does."""


def train_grpo(
    recipe: ZeroConfig | Recipe | None = None,
    *,
    out: str | Path,
    resume: bool = False,
    reporter: Reporter | None = CONSOLE,
    **keys: Any,
) -> Run:
    """Train a model by reinforcement learning from verified answers, as R1-Zero was (`dunwu zero`), and return the run.

    The configuration is `recipe` with `keys` over it; both have the keys of `ZeroConfig`, such as `model="tiny"`, `tasks="countdown"`,
    `reward=["accuracy", "format"]` and `grpo={"steps": 20}`. What neither sets follows the model (`dunwu.config.defaults`); without a
    recipe, the tiny model has `tiny/zero`. `out` is the run directory; `resume` resumes the run
    there, with its own configuration and what is given now over it. Progress is printed; `reporter=None` prints nothing and logs
    warnings (logger `dunwu`), a custom `dunwu.run.reporter.Reporter` receives the messages of the run.

    Raises `UserError` for a mistake, `TrainingError`, and after Ctrl-C, once everything is saved, `Interrupted` (a `KeyboardInterrupt`).
    """
    from dunwu.jobs.zero import run_zero

    config, chosen = _to_train(ZeroConfig, "zero", recipe, folder := _folder(out), resume, keys)
    return read_run(run_zero(config, folder, resume, _or_quiet(reporter), chosen))


def train_sft(
    recipe: SftConfig | Recipe | None = None,
    *,
    out: str | Path,
    resume: bool = False,
    reporter: Reporter | None = CONSOLE,
    **keys: Any,
) -> Run:
    """Fine-tune a model on conversations (`dunwu sft`), and return the run. Arguments and errors are those of `train_grpo`.

    The keys are those of `SftConfig`, such as `model="tiny"`, `data="rows.jsonl"` and `epochs=2`.
    """
    from dunwu.jobs.sft import run_sft

    config, chosen = _to_train(SftConfig, "sft", recipe, folder := _folder(out), resume, keys)
    return read_run(run_sft(config, folder, resume, _or_quiet(reporter), chosen))


def train_reward_model(
    recipe: RewardModelConfig | Recipe | None = None,
    *,
    out: str | Path,
    resume: bool = False,
    reporter: Reporter | None = CONSOLE,
    **keys: Any,
) -> Run:
    """Train a reward model on preferences or labels (`dunwu reward-model`), and return the run. Arguments and errors as in `train_grpo`.

    The keys are those of `RewardModelConfig`, such as `data="pairs.jsonl"` and `criterion="safety"`.
    """
    from dunwu.jobs.reward_model import run_reward_model

    config, chosen = _to_train(RewardModelConfig, "reward-model", recipe, folder := _folder(out), resume, keys)
    return read_run(run_reward_model(config, folder, resume, _or_quiet(reporter), chosen))


def run_pipeline(
    recipe: Pipeline | Recipe,
    out: str | Path,
    *,
    first: str | None = None,
    last: str | None = None,
    reporter: Reporter | None = CONSOLE,
    **stages: Mapping[str, Any],
) -> dict[str, Artefact]:
    """Run the stages of a pipeline (`dunwu run`) that are not finished yet; `"r1"` means R1 on the tiny model.

    `stages` are keys over the recipe's, by stage, such as `zero={"grpo": {"steps": 20}}`; `first` and `last` limit the stages.
    Returns the artefact of each stage: `["zero"].payload` is the file or folder. Raises as `train_grpo`; the same call resumes.
    """
    from dunwu.pipeline.execute import run_pipeline
    from dunwu.pipeline.recipe_file import make_pipeline, pipeline_data
    from dunwu.pipeline.recipes.r1_tiny import tiny_r1

    recipe = tiny_r1() if recipe == "r1" else recipe
    data = pipeline_data(recipe) if isinstance(recipe, Pipeline) else _data(recipe, "run")
    name = Path(recipe).stem.lower() if isinstance(recipe, str | Path) else "pipeline"
    pipeline = make_pipeline(merge(data, {"stages": _plain(stages)}), default_name=name)
    return run_pipeline(pipeline, _folder(out), first, last, reporter=_or_quiet(reporter))


def evaluate(
    model: Model = "tiny",
    task: str | TaskConfig | Mapping[str, Any] | None = None,
    *,
    template: AnyTemplate = None,
    out: str | Path | None = None,
    device: str = "auto",
    reporter: Reporter | None = CONSOLE,
    **keys: Any,
) -> EvaluationResult:
    """Measure a model on held-out problems (`dunwu eval`): `.summary()` has pass@1 with its 95 % interval, `.rows` every completion.

    `model` may be a run directory (its newest checkpoint). `task` is a name such as `countdown` or `gsm8k`, a data file, or its keys; by
    default the first evaluation of the model's run, with its other keys, else `countdown`. `keys` are those of `EvalConfig`, such as
    `problems=100` and `sampling={"temperature": 0.6}`; others follow the model (`dunwu.config.defaults`). `template`: a name, a file or a
    block; by default the one the model was trained with, else its own chat template, else `r1-zero`. `out`: a folder for the results.
    """
    from dunwu.jobs.headline import announce_evaluation

    named = model if isinstance(model, tuple) else model_of(_name(model), _or_quiet(reporter))
    given = merge(own_evaluation(_name(named), _plain(task)) or {"task": "countdown"}, _plain(keys))
    data = {**given, "template": _plain(template)} if template else given
    found, chosen = follow(PromptedEvalConfig, data, following("eval", _facts(named)))
    config, chosen_template = with_examples(found).parts()
    validate(Machine, {"device": device})
    if (folder := None if out is None else _folder(out)) is not None:
        refuse_taken(folder)
    announce_evaluation(_or_quiet(reporter), _name(named), config, chosen_template, folder, in_words(chosen))
    from dunwu.jobs.evaluate import run_evaluation

    return run_evaluation(named, config, chosen_template, folder, device, 0, EngineConfig().max_batch, _or_quiet(reporter))


def load_model(name: str | Path = "tiny", device: str = "auto") -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """A model and its tokenizer from `tiny`, a local folder (a run directory: its newest checkpoint) or a hub id; in float32.

    Both are `transformers` objects. Raises `ModelError` that names what is missing or corrupt.
    """
    from dunwu.models import loading

    return loading.load_model(_name(name), loading.pick_device(device))


class Engine:
    """Draws completions from a model: `Engine("tiny").generate("User: 2 + 3 = ?\\nAssistant:", seed=0)`."""

    def __init__(self, model: Model = "tiny", *, template: AnyTemplate = None, device: str = "auto", **keys: Any) -> None:
        """`template` is for conversations and problems: by default the one the model was trained with, else its own chat template, else
        `r1-zero`. `keys` are those of `EngineConfig`. Raises `ModelError`."""
        from dunwu.data.prompts import prompt_template
        from dunwu.rollout.build import build_engine

        self.model, self.tokenizer = model if isinstance(model, tuple) else load_model(model, device)
        facts = _facts(model)
        self._chosen = validate(Answering, {"template": _plain(template) or template_of(facts)}).template
        self.template = prompt_template(self._chosen, self.tokenizer)
        self._following = following("eval", facts)
        self._engine = build_engine(validate(EngineConfig, _plain(keys)), self.model, self.tokenizer)

    def generate(
        self, prompts: str | Problem | Sequence[str | Problem | Messages], *, samples: int = 1, seed: int = 0, **sampling: Any
    ) -> list[Completion]:
        """`samples` completions of each prompt, grouped by prompt; the same seed gives the same texts.

        A text is continued verbatim; a problem or a conversation (a list of turns) is put into the template. `sampling` are keys of
        `SamplingConfig`, such as `max_tokens=200` and `temperature=0.6`; others follow the model. Raises `UserError` for a long prompt.
        """
        from dunwu.data.prompts import sampling_params
        from dunwu.data.rollouts import rollout_seeds
        from dunwu.evaluation.session import EVALUATION

        if not isinstance(seed, int) or not 0 <= seed < SEEDS:
            raise ConfigError(f"seed = {seed!r}: expected an integer from 0 to {SEEDS - 1}")
        if not isinstance(samples, int) or samples < 1:
            raise ConfigError(f"samples = {samples!r}: expected a positive integer")
        if not isinstance(prompts, str | Problem | list | tuple):
            raise DataError(f"{repr(prompts)[:80]}: expected a text, a problem, or a list of texts, problems and conversations")
        tokens = [self._tokens(each) for each in ([prompts] if isinstance(prompts, str | Problem) else prompts)]
        config, _ = follow(EvalConfig, {"sampling": _plain(sampling)}, self._following)
        params = sampling_params(config.sampling, self._chosen, self.tokenizer, self._engine)
        seeds = rollout_seeds(seed, EVALUATION, len(tokens), samples)
        return self._engine.generate([Request(tokens[place // samples], params, drawn) for place, drawn in enumerate(seeds)])

    def _tokens(self, prompt: str | Problem | Messages) -> tuple[int, ...]:
        from dunwu.models.bos import bos_text, encode

        if isinstance(prompt, Mapping):
            raise DataError(f"{prompt!r} is one turn: a conversation is a list of turns, and prompts are a list of conversations, [[...]]")
        if not isinstance(prompt, str | Problem) and not _is_conversation(prompt):
            raise DataError(f'{repr(prompt)[:80]}: expected a conversation, such as [{{"role": "user", "content": "Hello"}}]')
        if isinstance(prompt, str):
            return tuple(encode(self.tokenizer, [prompt], bos_text(self.tokenizer))[0])
        if isinstance(prompt, Problem):
            return self.template.prompt(prompt).token_ids
        if self.template.takes_turns:
            return self.template.prompt(Problem("prompt", "chat", "", "none"), prompt).token_ids
        if [turn["role"] for turn in prompt] != ["user"]:
            raise DataError(f"template {self.template.name!r} takes one question, not a conversation: give one user turn")
        return self.template.prompt(Problem("prompt", "chat", prompt[0]["content"], "none")).token_ids


def problems(
    task: str | TaskConfig | Mapping[str, Any] = "countdown", limit: int = 10, *, split: Split = "test", seed: int = 0
) -> list[Problem]:
    """The first `limit` problems of a task, named as for `evaluate`. Raises `UserError`."""
    held_out = {} if split == "train" else {"split": split}
    config = validate(EvalConfig, {"task": _plain(task), "problems": limit, "seed": seed, **held_out})
    made = make_task(config.task)
    return [made.train(index, seed) for index in range(limit)] if split == "train" else made.held_out(config.split, limit, seed)


def verify(
    problem: Problem | str,
    answer: str,
    *,
    kind: VerifierName = "math",
    data: Mapping[str, Any] | None = None,
    answer_form: AnswerForm | None = None,
) -> Verdict:
    """Verify `answer`. `problem` is a problem, or a gold answer to compare by the verifier `kind`, with the `data` that it needs.

    With an `answer_form`, such as `boxed`, `answer` is a whole completion, and only what stands in this form is verified.
    A verdict has a score (`None` if the verifier failed), a reason and a detail. Raises `DataError` for a problem that cannot be verified.
    """
    if not isinstance(problem, Problem | str) or not isinstance(answer, str):
        wrong = answer if isinstance(problem, Problem | str) else problem
        raise DataError(f"{wrong!r} is a {type(wrong).__name__}: pass golds and answers as text, such as {str(wrong)!r}")
    if not isinstance(data, Mapping | None):
        raise DataError(f"data = {data!r}: expected a mapping, such as {{'options': ['a', 'b']}}")
    if isinstance(problem, str):
        problem = Problem("gold", "own", "", kind, problem, data=data or {})
    if problem.verifier not in get_args(VerifierName):
        raise DataError(f"unknown verifier {problem.verifier!r}: choose from {', '.join(get_args(VerifierName))}")
    if fault := problem_fault(problem):
        raise DataError(f"problem {problem.id}: {fault}")
    if answer_form is None:
        return verifiers.verify(problem, answer)
    if not isinstance(answer_form, str) or answer_form not in FORMS:
        raise DataError(f"unknown answer_form {answer_form!r}: choose from {', '.join(FORMS)}")
    return verifiers.verify(problem, verifiers.candidate(problem, parse_completion(answer, "", answer_form)))


def reward(
    problem: Problem, texts: str | Sequence[str], parts: Any = ("accuracy", "format"), *, answer_form: AnswerForm | None = None
) -> list[Reward]:
    """The reward of each completion of a problem, as with `reward=parts` in a run, but without its time limit: total and parts.

    `answer_form`: where the answer stands; by default where the problem says.
    Raises `ConfigError`, also for parts that need more than one text: reward models, teachers, and functions that compare the whole group.
    """
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(problem, Problem):
        raise DataError(f"{problem!r} is a {type(problem).__name__}: pass a problem, such as problems(limit=1)[0]")
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise DataError(f"texts = {repr(texts)[:80]}: expected a text or a list of texts")
    form = {} if answer_form is None else {"answer_form": answer_form}
    config = _config(ZeroConfig, {"reward": parts, **form}, "zero", {})
    problem, chosen = in_form(problem, config.answer_form) if form else problem, config.reward
    for part in chosen:
        if isinstance(part, ModelPartConfig | TeacherPart) or (isinstance(part, OwnPart) and part.sees == "group"):
            raise ConfigError(f"reward: {part.kind} needs a whole run or group: remove it")
    made = make_reward(chosen)
    return [compute(made, problem, text) for text in texts]


class _Silent(Reporter):
    """Prints nothing; warnings go to the logger `dunwu`."""

    def warn(self, text: str) -> None:
        logging.getLogger("dunwu").warning("%s", text)


def _or_quiet(reporter: Reporter | None) -> Reporter:
    if reporter is not None and not isinstance(reporter, Reporter):
        raise ConfigError(f"reporter = {reporter!r}: expected None or a dunwu.run.reporter.Reporter (subclass it and override `say`)")
    return _Silent() if reporter is None else reporter


def _to_train(
    kind: type[AnyRun], command: str, recipe: Config | Recipe | None, out: Path, resume: bool, keys: Mapping[str, Any]
) -> tuple[AnyRun, str]:
    """The configuration of a run, and the values that follow its model, in words.

    To resume, it is the run's own with what is given over it, and a key that may not change is refused.
    """
    if not resume:
        config, chosen = _following(kind, recipe, command, keys)
        return with_examples(config), in_words(chosen)
    own = own_config(out, command)
    config = with_examples(_config(kind, own if recipe is None else merge(own, with_preset(_data(recipe, command))), command, keys))
    check_resume(out, config)
    return config, ""


def _following(kind: type[AnyConfig], recipe: Config | Recipe | None, command: str, keys: Mapping[str, Any]) -> tuple[AnyConfig, Chosen]:
    """The recipe with the keys over it; the rest follows the model, for one of the tiny world in its own recipe."""
    given = _plain(keys)
    data = {} if recipe is None else _data(recipe, command)
    facts = model_facts(str(merge(data, given).get("model") or "tiny"), fetch=True)
    if recipe is None and facts.tiny:
        data = _data(f"tiny/{command}", command)
    return follow(kind, with_preset(merge(data, given)), following(command, facts))


def _config(kind: type[AnyConfig], recipe: Config | Recipe, command: str, keys: Mapping[str, Any]) -> AnyConfig:
    """The recipe with the keys over it."""
    return _following(kind, recipe, command, keys)[0]


def _data(recipe: Config | Recipe, command: str) -> dict[str, Any]:
    """A recipe as the data of its YAML file."""
    if not isinstance(recipe, str | Path | Mapping | Config):
        raise ConfigError(f"recipe = {recipe!r}: expected a YAML file, the name of a recipe, its keys as a mapping, or a configuration")
    found: dict[str, Any] = read_mapping(recipe_of(str(recipe), command)) if isinstance(recipe, str | Path) else _plain(recipe)
    return found


def _plain(value: Any) -> Any:
    """Configurations, paths and tuples as YAML data."""
    if isinstance(value, Config):
        return value.as_set()
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def _facts(model: Model) -> ModelFacts:
    """What the defaults for a model follow; of one that was made in memory nothing is known."""
    try:
        return model_facts(_name(model), fetch=True)
    except ModelError:
        return ModelFacts(tiny=False)


def _name(model: Model) -> str:
    """What a model was loaded from. Raises ``ConfigError`` for what is no model."""
    named = getattr(model[0], "name_or_path", None) if isinstance(model, tuple) and len(model) == 2 else model
    if not isinstance(named, str | Path):
        raise ConfigError(f"model = {repr(model)[:80]}: expected tiny, a folder, a hub id, or what load_model returned")
    return str(named)


def _folder(path: Any) -> Path:
    """A path of the user's."""
    if not isinstance(path, str | PathLike):
        raise ConfigError(f"out = {path!r}: expected the path of a folder")
    return Path(path)


def _is_conversation(value: Any) -> bool:
    """Whether it is a non-empty list of turns, each with its role and content as texts."""
    turns = value if isinstance(value, list | tuple) else []
    return bool(turns) and all(isinstance(t, Mapping) and all(isinstance(t.get(key), str) for key in ("role", "content")) for t in turns)
