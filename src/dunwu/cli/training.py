"""What the training commands share: a recipe, overrides, a dry run, and the command to resume."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from dunwu.cli.options import parse_options, refuse_misspelt_options
from dunwu.cli.outputs import check_folder
from dunwu.cli.show import show
from dunwu.config.base import Config
from dunwu.config.blocks import SamplingConfig, Saving
from dunwu.config.defaults import following, in_words
from dunwu.config.load import dump_config, follow, load_config, load_following, read_mapping
from dunwu.config.overrides import parse_overrides
from dunwu.config.recipe_commands import recipe_of, refuse_bare_words
from dunwu.config.zero import EvalConfig
from dunwu.data.few_shot import with_examples
from dunwu.data.first_rows import check_first_rows
from dunwu.models.bundled import BUNDLED_NAME
from dunwu.models.facts import model_facts
from dunwu.models.hub_ids import check_names
from dunwu.pipeline.run_models import model_of, with_final_models
from dunwu.run.checkpoint import LATEST
from dunwu.run.resume import can_resume, check_resume, own_config

AnyConfig = TypeVar("AnyConfig", bound=Saving)


class TrainingOptions(Protocol):
    """The options every training command has."""

    @property
    def recipe(self) -> str | None: ...
    @property
    def out(self) -> Path: ...
    @property
    def resume(self) -> bool: ...
    @property
    def dry_run(self) -> bool: ...


AnyOptions = TypeVar("AnyOptions", bound=TrainingOptions)


def read_training(
    command: str,
    recipe: str,
    kind: type[AnyOptions],
    model: type[AnyConfig],
    arguments: Sequence[str],
    shorthands: Callable[[AnyOptions], list[str]],
) -> tuple[AnyOptions, AnyConfig, str]:
    """The options, the configuration, and the values that were chosen for it, in words.

    The configuration is that of `--recipe`, for a model of the tiny world by default `recipe`, with the options that are `shorthands` for
    keys and the overrides over it; the rest follows the model. To resume, it is the run's own, with whatever is given over it.

    Raises `UserError` for a mistake, for a run that is not there to be resumed, and for a key that a resumed run may not change.
    """
    options, rest = parse_options(kind, command, arguments)
    refuse_misspelt_options(kind, model.model_fields.keys(), rest)
    refuse_bare_words(command, rest)
    overrides = [*shorthands(options), *rest]
    file = None if options.recipe is None else recipe_of(options.recipe, command)
    if options.resume:
        config = with_final_models(with_examples(load_config(model, file, overrides, own_config(options.out, command))))
        check_resume(options.out, config)
        return options, config, ""
    check_folder(options.out)
    facts = model_facts(model_of(_model(file, overrides)), fetch=not options.dry_run)
    if file is None and facts.tiny:
        file = recipe_of(recipe, command)
    config, chosen = load_following(model, file, overrides, following(command, facts))
    config = with_final_models(with_examples(config))
    check_first_rows(config)
    check_names(config, fetch=not options.dry_run)
    return options, config, in_words(chosen)


def _model(file: Path | None, overrides: Sequence[str]) -> str:
    """The model that a recipe and overrides name."""
    named = [override.value for override in parse_overrides(overrides) if override.key == "model"]
    name = [*([] if file is None else [read_mapping(file).get("model")]), *named]
    return str(next((each for each in reversed(name) if each is not None), BUNDLED_NAME))


def print_plan(config: Config, out: Path, plan: Sequence[str]) -> None:
    """The resolved configuration as YAML, with the plan as comments below it, so that the output is a recipe too."""
    print(dump_config(config))
    show("\n".join(f"# {line}" for line in [*plan, f"run directory: {out} (dry run: nothing was written)"]))


def chosen_lines(chosen: str) -> list[str]:
    """A line of the plan about the values that follow the model, if any."""
    return [f"chosen for this model: {chosen}"] if chosen else []


def run_stoppable(command: str, out: Path, arguments: Sequence[str], work: Callable[[], Any]) -> int:
    """Runs `work`; when it is stopped, prints the command to resume the run in `out`, or to start it again, and raises the error again."""
    try:
        work()
    except KeyboardInterrupt:
        if can_resume(out):
            show(f"dunwu: to resume: {command_line([command, '--out', str(out), '--resume'])}", sys.stderr)
        else:
            show(f"dunwu: to start again: {command_line([command, *arguments])}", sys.stderr)
        raise
    return 0


def newest(out: Path) -> Path:
    """The last checkpoint of a finished run."""
    checkpoints = out / "checkpoints"
    return checkpoints / (checkpoints / LATEST).read_text(encoding="utf-8").strip()


def command_line(arguments: Sequence[str]) -> str:
    """A command of this program, quoted for a shell."""
    return shlex.join([_program(), *arguments])


def sampling_overrides(sampling: SamplingConfig, model: str, section: str = "sampling") -> list[str]:
    """``key=value`` for what `dunwu eval` does not draw by default for this model, the length left out."""
    default = follow(EvalConfig, {}, following("eval", model_facts(model)))[0].sampling
    names = [name for name in type(sampling).model_fields if name != "max_tokens"]
    return [f"{section}.{name}={getattr(sampling, name)}" for name in names if getattr(sampling, name) != getattr(default, name)]


def _program() -> str:
    """How this program was called: `dunwu`, or its path if the shell would not find it by that name."""
    called = Path(sys.argv[0])
    return str(called) if called.name == "dunwu" and shutil.which("dunwu") is None else "dunwu"
