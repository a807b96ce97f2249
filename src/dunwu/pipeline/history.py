"""How a model was made, from its lineage and the files of its runs, for its card. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dunwu.analysis.curves import number
from dunwu.analysis.model_history import Base, Figure, History, Source, Step
from dunwu.analysis.pairs import Pair, compare
from dunwu.analysis.rundir import mapping, read_run
from dunwu.analysis.sentences import interval, percent
from dunwu.config.licences import LICENCES
from dunwu.config.load import read_mapping, validate
from dunwu.data.tiny_world.card import CARD
from dunwu.errors import DunwuError, UserError
from dunwu.models.bundled import BUNDLED_NAME, RELEASE, bundled_path, run_above
from dunwu.models.readme import README, front_matter, licence_in, licence_of
from dunwu.pipeline.artefacts import WORK, Artefact, read_artefact
from dunwu.pipeline.lineage import artefacts_at, entries, last_row, measurements, parent_of, read_json, source_of
from dunwu.pipeline.stages import KINDS, describe, last_checkpoint
from dunwu.pipeline.step_facts import generators, is_hub_id, languages, placeless, shown_settings, sources, teachers
from dunwu.process.hub import hub_file
from dunwu.run.reporter import QUIET, Reporter

Json = Mapping[str, Any]
TERMS = ("license_name", "license_link")


def history_of(model: str, reporter: Reporter = QUIET) -> History:
    """The steps down to the base model, as far as they are known; ``reporter`` is warned of what cannot be read."""
    run = run_above(Path(model)) if model != BUNDLED_NAME and Path(model).is_dir() else None
    steps: tuple[Step, ...] = ()
    (bottom, local), distilled = (model, False), False
    try:
        bottom, local = _bottom(model)
        above = [each for each in entries(model) if "manifest" in each]
        distilled = any(_bottom(name) != (bottom, local) for each in above for name in _outer_teachers(each))
        steps = tuple(_step(each) for each in reversed(above))
    except (UserError, OSError) as error:
        reporter.warn(f"the card does not say how the model was made: {error}")
    base = _base(bottom, local) if bottom else None
    config = {} if run is None else {**_evaluated(run), **read_mapping(run / "config.yaml")}
    spoken = dict.fromkeys([*languages(config), *(base.languages if base else ())])
    asked = {} if (Path(model) / RELEASE).is_file() else config  # whose chat template has it already
    return History(base, steps, tuple(spoken), asked, None if run is None else _pair(run), distilled)


def _evaluated(run: Path) -> Json:
    """How a pipeline measured the model of the stage that ``run`` is in; empty if it did not."""
    artefact = read_artefact(run.parent) if run.name == WORK else None
    suites = measurements(artefact) if artefact else []
    sets = [each for suite in suites for each in mapping(suite.manifest["config"], "reasoning").values()]
    return {"evaluations": sets} if sets else {}


def _bottom(model: str) -> tuple[str, bool]:
    """The model at the end of the line of parents, empty if the line begins from scratch; and whether it was a folder of this machine."""
    seen, local = {model}, False
    while above := parent_of(model):
        if above in seen:
            break
        local, model = _was_a_folder(model), above
        seen.add(model)
    return ("" if above == "" else model), local


def _outer_teachers(entry: Json) -> Iterator[str]:
    """The models that have written data in a stage, as places or names."""
    if "stage" not in entry:
        return
    made = Artefact(Path(entry["folder"]), entry["manifest"])
    for key, generator in generators(made.manifest["config"]):
        origin = made.manifest["sources"].get(f"{key}.model", {})
        name = str(source_of(made, origin).payload) if "stage" in origin else origin.get("path") or generator.get("model")
        yield str(name)


def _local_teacher(folder: Path) -> Source:
    """A teacher by the run that made it, with the licence of the model it was trained from; any other one by its folder and card."""
    made, run = next(iter(artefacts_at(folder)), None), run_above(folder)
    if made is None and run is None:
        return Source(folder.resolve().name, licence_of(folder))
    try:
        bottom, local = _bottom(str(folder))
    except (UserError, OSError):  # its run is damaged, not the student's
        bottom, local = "", False
    name = f"{made.folder.parents[2].name}, stage {made.manifest['stage']}" if made else (run or folder).name
    return Source(name, _base(bottom, local).licence if bottom else licence_of(folder))


def _was_a_folder(model: str) -> bool:
    """True if the run of a model began with a local folder, which it then has a hash of: `runs/sft` looks like a hub id once it is gone."""
    run = run_above(Path(model))
    return run is not None and "model" in mapping(read_json(run / "manifest.json"), "inputs")


def _base(name: str, local: bool) -> Base:
    folder = bundled_path() if name == BUNDLED_NAME else Path(name).expanduser()
    here = folder.is_dir()
    card = read_json(folder / CARD) if here else {}  # of a tiny base model
    head = front_matter(folder / README if here else hub_file(name, README) if is_hub_id(name) and not local else None)
    hub = str(head.get("base_model") or "") if here else "" if local else name
    licence = str(card.get("licence", "")).lower()
    return Base(
        str(card.get("name") or (folder.resolve().name if here or local else placeless(name))),
        hub if is_hub_id(hub) else "",
        licence if licence in LICENCES else licence_in(head),
        {key: " ".join(str(head[key]).split()) for key in TERMS if key in head},
        ("en", "zh") if card else tuple(_languages(head.get("language"))),
    )


def _languages(spoken: Any) -> Iterator[str]:
    """The codes in a card's head."""
    listed = spoken if isinstance(spoken, list) else [spoken]
    return (each for each in listed if isinstance(each, str) and each.isalpha())


def _step(entry: Json) -> Step:
    """A step from an entry of the lineage: an artefact of a pipeline, or a run."""
    artefact = read_artefact(Path(entry["folder"])) if "stage" in entry else None
    run = Path(entry["folder"]) / WORK if artefact else Path(entry["run"])
    manifest = read_json(run / "manifest.json")
    config, origins = (entry["config"], {}) if artefact is None else (artefact.manifest["config"], artefact.manifest["sources"])
    kind = str(entry["manifest"].get("kind", "")).replace("-", "_")
    described = [("the algorithm's values", manifest["algorithm"])] if "algorithm" in manifest else []
    chosen = [*shown_settings(kind, config), *described, *_rows_made(artefact)]
    return Step(
        kind,
        str(entry.get("stage") or run.resolve().name),
        tuple(chosen),
        tuple(sources(config, origins, _rows(manifest))),
        tuple(dict.fromkeys(teachers(config, origins, _local_teacher))),
        (*_figures(kind, run), *_measured(artefact)),
        artefact.manifest["cost"] if artefact else _cost(kind, config, run, manifest),
        _machine(run, manifest),
    )


def _rows(manifest: Json) -> int | None:
    """The number of rows that a run trained on."""
    data = mapping(manifest, "data")
    found = data.get("rows") or data.get("training") or mapping(data, "data").get("conversations")
    return found if isinstance(found, int) and found else None


def _rows_made(artefact: Artefact | None) -> Iterator[tuple[str, Any]]:
    """What the card of a data set says of its rows."""
    card = read_json(artefact.payload / "card.json") if artefact and artefact.manifest["makes"] == "data" else {}
    if card:
        yield "rows made", mapping(card, "tokens").get("rows")
        yield "rows by source", mapping(card, "sources")


def _cost(kind: str, config: Json, run: Path, manifest: Json) -> dict[str, float]:
    cost: dict[str, float] = {"seconds": number(manifest.get("cost_seconds")) or 0.0}
    try:
        used = describe(validate(KINDS[kind], dict(config))).usage(run, last_checkpoint(run))
    except (KeyError, OSError, ValueError, DunwuError):  # a kind without stages, or a run with missing files
        return cost
    return {**cost, **asdict(used), "flops": used.flops, "teacher_flops": used.teacher_flops}


def _machine(run: Path, manifest: Json) -> str:
    made = mapping(manifest, "environment")
    device = read_json(run / "summary.json").get("device")
    known = {"cpu_count": "{} CPU cores", "torch": "torch {}"}
    return ", ".join([*filter(None, [device]), *(text.format(made[key]) for key, text in known.items() if key in made)])


def _figures(kind: str, run: Path) -> Iterator[Figure]:
    """What a run measured itself."""
    summary = read_json(run / "summary.json")
    if kind == "zero" and run.is_dir():
        yield from (
            _pass_at_1(each.name, *(mapping(each.summaries, phase) for phase in ("after", "before"))) for each in read_run(run).sets
        )
    if kind in ("sft", "distillation") and (validation := mapping(summary, "validation")):
        before, after = (number(mapping(validation, phase).get("eval_loss")) for phase in ("before", "after"))
        yield Figure("held-out loss, nats per token", _loss(after), _loss(before))
    if kind == "reward_model" and (scored := mapping(summary, "held_out")):
        yield Figure(f"held-out accuracy, {scored.get('count')} examples", _interval_of(scored, "accuracy"))
    if kind == "pretrain":
        yield Figure("held-out loss, nats per token", _loss(number(last_row(run).get("held_out_loss"))))


def _loss(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4f}"


def _measured(artefact: Artefact | None) -> Iterator[Figure]:
    """What other stages of the pipeline measured of a model, and of the one that it was made from in the same way."""
    start = artefact.manifest["sources"].get("model") if artefact else None
    before = {_how(each): dict(_headlines(each)) for each in (measurements(artefact, start) if artefact and start else ())}
    for each in measurements(artefact) if artefact else ():
        known = before.get(_how(each), {})
        yield from (Figure(name, text, known.get(name, "")) for name, text in _headlines(each))


def _how(measured: Artefact) -> str:
    """The configuration of an evaluation without what follows the model."""
    return json.dumps({key: value for key, value in measured.manifest["config"].items() if key not in ("template", "engine")})


def _headlines(measured: Artefact) -> Iterator[tuple[str, str]]:
    suite = read_json(measured.payload / "suite.json")
    for name in mapping(suite, "metrics"):
        if name.count(".") == 1 or name.endswith((".pass_at_1", ".accuracy")):
            yield _metric(name, mapping(suite["metrics"], name))
    for name, found in read_json(measured.payload / "summary.json").items():
        figure = _pass_at_1(name, found)
        yield figure.name, figure.after


def _metric(name: str, found: Json) -> tuple[str, str]:
    value, low, high, count = (number(found.get(key)) or 0.0 for key in ("value", "low", "high", "count"))
    return f"{name}, {count:g} problems", f"{value:.3g} ({low:.3g} to {high:.3g})"


def _pass_at_1(name: str, after: Json, before: Json = MappingProxyType({})) -> Figure:
    some = after or before
    how = f"{name}: pass@1, {some.get('problems')} problems x {some.get('k')}"
    return Figure(how, *(_interval_of(each, "pass_at_1") if each else "" for each in (after, before)))


def _interval_of(summary: Json, key: str) -> str:
    bounds = interval(summary)
    return percent(number(summary.get(key))) + (f" ({100 * bounds[0]:.1f} to {100 * bounds[1]:.1f})" if bounds else "")


def _pair(run: Path) -> Pair | None:
    """One held-out problem before and after the last run."""
    found = [compare(held_out.results) for held_out in read_run(run).sets]
    return next((each.pairs[0] for each in found if each and each.pairs), None)
