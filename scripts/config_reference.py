"""`docs/reference.md`: every configuration key with its type, default, meaning and the papers' values, from the models themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from dunwu.config.base import Config
from dunwu.config.compare import CompareConfig
from dunwu.config.data_replies import R1_PAIRS, PairJudgeConfig
from dunwu.config.data_rows import GeneralConfig
from dunwu.config.distill import R1_DISTILL, DistillConfig, StudentTraining
from dunwu.config.key_docs import default, meaning, type_of
from dunwu.config.mistakes import below, leaves
from dunwu.config.presets import PRESETS, PresetValue
from dunwu.config.zero import PromptedEvalConfig, ZeroConfig
from dunwu.pipeline.recipes.r1 import R1Work
from dunwu.pipeline.recipes.r1_paper import R1_NATURE, R1_V1
from dunwu.pipeline.stages import KINDS

COMMANDS = {"zero": "dunwu zero", "sft": "dunwu sft", "reward_model": "dunwu reward-model", "pretrain": "dunwu pretrain"}
JOBS: Mapping[str, type[Config]] = {
    **{f"`{command}`, stage `{kind}`": KINDS[kind] for kind, command in COMMANDS.items()},
    "`dunwu eval`": PromptedEvalConfig,
    "`dunwu distill`": DistillConfig,
    "`dunwu compare distill-vs-rl`": CompareConfig,
    **{f"Stage `{kind}`": model for kind, model in KINDS.items() if kind not in COMMANDS},
}
"""What can be configured, by its title."""
MOST_PLACES = 5
"""Other keys of a part that its section names."""
PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference.md"
HEAD = "| key | type | default | meaning | papers |\n|---|---|---|---|---|"
PREFACE = """# Configuration reference

Every key of every job, generated from the code by `make reference`. Keys are dotted on the command line (`grpo.learning_rate=1e-5`), where
`0` is the first item of a list, and nested in YAML. `--dry-run` shows them all with the values that a command would use.
A type such as `GrpoConfig` is a mapping with the keys of its own section; where several are possible, `kind` chooses one.
**Papers** lists what a paper states, with the preset or the stage of `dunwu r1` that has it, and the source: v1, N, S, DM and D as in
[the papers' values](papers.md). Steps are converted to rollout batches. Where the column is empty, no paper states a value.

## Files

A recipe (`--recipe`, or `config.yaml` of a run) holds the keys of one job. A pipeline (`dunwu run FILE`) holds stages. Beside the keys of
the jobs there are:

| key | in | meaning |
|---|---|---|
| `preset` | a recipe of `dunwu zero` | The values of a paper for all keys that the recipe does not set: PRESET_NAMES. |
| `name` | a pipeline | Its name; by default that of the file. The run directory is `runs/NAME`. |
| `stages` | a pipeline | A mapping of names to stages, in any order that inputs allow. |
| `work` | a stage | What it does: STAGE_KINDS. The other keys are those of that job. |
| `inputs` | a stage | A mapping of keys to earlier stages, such as `{model: dev1}`: the key gets what that stage made. |
"""


def reference() -> str:
    """The page. Raises `LookupError` for a key without a meaning."""
    papers = paper_values()
    jobs = {model: title for title, model in JOBS.items()}
    parts = [model for model in models() if model not in jobs]
    sections = [section(model, papers, title) for model, title in jobs.items()]
    preface = PREFACE.replace("PRESET_NAMES", listed(PRESETS)).replace("STAGE_KINDS", listed(KINDS))
    return "\n\n".join([preface.rstrip(), "## Jobs", *sections, "## Parts", *(section(model, papers) for model in parts)]) + "\n"


def listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


@cache
def places() -> Mapping[type[Config], tuple[str, ...]]:
    """Dotted keys where a part stands, in any job, the shortest first; a job stands at the empty key."""
    found: dict[type[Config], list[str]] = {model: [""] for model in JOBS.values()}
    waiting = list(found.items())
    for model, keys in waiting:
        for name, field in model.model_fields.items():
            for part, below_it in parts_at(field.annotation):
                new = [".".join(filter(None, (key, name, below_it))) for key in keys[:2]]
                waiting += [] if part in found else [(part, found.setdefault(part, []))]
                found[part] += [key for key in new if key not in found[part]]
    return {model: tuple(sorted(keys, key=lambda key: (key.count("."), len(key)))) for model, keys in found.items()}


def parts_at(annotation: Any) -> Iterator[tuple[type[Config], str]]:
    """The models in a type, with the dotted rest of their key: `0` in a list, `NAME` in a mapping."""
    if inspect.isclass(annotation) and issubclass(annotation, Config):
        yield annotation, ""
    step = {tuple: "0", dict: "NAME"}.get(get_origin(annotation) or type, "")
    for inner in get_args(annotation):
        yield from ((part, ".".join(filter(None, (step, rest)))) for part, rest in parts_at(inner))


def models() -> list[type[Config]]:
    """Every model that a job's configuration can hold, the jobs first."""
    found = list(JOBS.values())
    for model in found:
        inner = {part for field in model.model_fields.values() for part in parts_of(field.annotation)}
        found += sorted(inner - set(found), key=lambda each: each.__name__)
    return found


def parts_of(annotation: Any) -> Iterator[type[Config]]:
    """The models in a type."""
    if inspect.isclass(annotation) and issubclass(annotation, Config):
        yield annotation
    for inner in get_args(annotation):
        yield from parts_of(inner)


def section(model: type[Config], papers: Mapping[tuple[type[Config], str], list[str]], title: str = "") -> str:
    """One model as a table."""
    first, *others = places()[model]
    prefix = f"{first}." if first else ""
    rows = [
        f"| `{prefix}{name}` | {type_of(field.annotation, field.metadata)} | {default(field)} | {cell(meaning(model, name))} |"
        f" {'<br>'.join(papers.get((model, name), ()))} |"
        for name, field in model.model_fields.items()
    ]
    summary = [f"{title}." if title else "", " ".join((inspect.getdoc(model) or "").partition("\n\n")[0].split())]
    also = f"Also at {listed(others[:MOST_PLACES])}{' and elsewhere' if others[MOST_PLACES:] else ''}." if others else ""
    return "\n\n".join([f"### {model.__name__}", " ".join(filter(None, [*summary, also])), "\n".join([HEAD, *rows])])


def paper_values() -> dict[tuple[type[Config], str], list[str]]:
    """What the papers state, by model and key. It stands in the code beside the configuration, as presets and `R1_V1`, `R1_NATURE`."""
    found: dict[tuple[type[Config], str], dict[tuple[str, str], list[str]]] = {}
    for root, key, entry, where in stated():
        for owner in owners(root, key):
            places = found.setdefault((owner, key.rpartition(".")[2]), {}).setdefault((str(entry.value), entry.source), [])
            places.append(where) if where not in places else None
    return {key: [f"`{value}` {', '.join(places)} ({cell(source)})" for (value, source), places in of.items()] for key, of in found.items()}


def stated() -> Iterator[tuple[type[Config], str, PresetValue, str]]:
    """Model, dotted key, value and place of all that a source states."""
    entries: list[tuple[type[Config], str, PresetValue, str]] = []
    entries += [(ZeroConfig, key, entry, name) for name, preset in PRESETS.items() for key, entry in preset.values.items()]
    entries += [(StudentTraining, key, entry, "text distillation") for key, entry in R1_DISTILL.items()]
    entries += [(PairJudgeConfig, key, entry, "default") for key, entry in R1_PAIRS.items()]
    kinds = {**get_type_hints(R1Work), "general_data": GeneralConfig}
    for stage, _, key, entry in ((*key.partition("."), entry) for table in (R1_V1, R1_NATURE) for key, entry in table.items()):
        if is_stated(entry) and not any(root is kinds[stage] and key == known for root, known, *_ in entries):
            entries.append((kinds[stage], key, entry, f"stage {stage}{f' at {parent}' if (parent := key.rpartition('.')[0]) else ''}"))
    return (each for each in entries if is_stated(each[2]))


def is_stated(entry: PresetValue) -> bool:
    """Does a paper state it? The sources of other values say whose they are."""
    return not entry.source.startswith(("not stated", "ours"))


def owners(root: type[Config], key: str) -> list[type[Config]]:
    """The models of which the last part of a dotted key is a field."""
    *parents, last = key.split(".")
    found: list[Any] = [root]
    for part in parents:
        found = [leaf for each in found for leaf in leaves(below(each, part)) if leaf is not None]
    return [each for each in found if last in getattr(each, "model_fields", {})]


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
