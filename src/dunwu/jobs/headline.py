"""What `dunwu zero` and `dunwu eval` print at the start and at the end. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from dunwu.analysis.pairs import Pair, compare
from dunwu.analysis.report import write_report
from dunwu.analysis.sentences import PHASES, nothing_learnt, overlap, percent, plain
from dunwu.config.blocks import SamplingConfig, rate_in_words
from dunwu.config.protocols import deviations
from dunwu.config.rewards import AnyPart, OwnPart, TeacherPart
from dunwu.config.tasks import DatasetTask, ReasoningGymTask, TaskConfig, task_title
from dunwu.config.template import ASKS, Template, TemplateConfig, form_asked
from dunwu.config.zero import EvalConfig, ZeroConfig
from dunwu.evaluation.result import EvaluationResult
from dunwu.run.directory import RunDirectory, read_metrics
from dunwu.run.reporter import Reporter, clean, duration
from dunwu.run.step_manifest import step_folder
from dunwu.text.answer_forms import DEFAULT, FORMS
from dunwu.trainers.budget import Budget
from dunwu.types import AnswerForm

Results = Mapping[str, Mapping[str, EvaluationResult]]
"""The evaluations ``before`` and ``after``, by held-out set."""

STOPPING = "Ctrl-C saves, stops and prints the command to resume."


def announce(
    reporter: Reporter,
    config: ZeroConfig,
    run: Path,
    parameters: int,
    device: str,
    threads: int,
    algorithm: str,
    arithmetic: Mapping[str, str],
    template: str = "",
    chosen: str = "",
) -> None:
    """Report the plan; ``algorithm`` is the line that describes it, ``arithmetic`` says what generates and what trains.

    ``template`` is the template in words, ``chosen`` the values that follow the model.
    """
    reporter.say("R1-Zero: a base model, a verifier, reinforcement learning, nothing else.")
    facts = plan_facts(config, run, parameters, device, threads, algorithm, arithmetic)
    reporter.facts((*facts, *([("template", template)] if template else []), *chosen_facts(chosen)))
    reporter.say(STOPPING)


def plan_facts(
    config: ZeroConfig, run: Path, parameters: int, device: str, threads: int, algorithm: str, arithmetic: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Facts about a run before it starts."""
    grpo, most = config.grpo, config.sampling.max_tokens
    rollouts = grpo.steps * grpo.prompts_per_step * grpo.group_size
    yield "model", f"{config.model} ({parameters:,} parameters)"
    if lora := config.lora:
        yield "trained", f"LoRA adapters of rank {lora.rank}, alpha {lora.alpha:g}, on {', '.join(lora.targets)}; the base is frozen"
    yield "device", f"{device}, {threads} thread{'' if threads == 1 else 's'}" if device == "cpu" else device
    weighted = len(config.tasks) > 1
    titles = [(_task(each.task), each.weight) for each in config.tasks]
    yield "tasks", ", ".join(f"{title} (weight {weight:g})" if weighted else title for title, weight in titles)
    yield from _answer_facts(config.answer_form, config.template, [each.task for each in config.tasks])
    yield (
        "training",
        f"{grpo.steps} step{'' if grpo.steps == 1 else 's'} x {grpo.prompts_per_step} prompts x {grpo.group_size} completions"
        f" = {rollouts:,} completions of at most {most} tokens",
    )
    yield "optimiser", rate_in_words(grpo)
    yield "algorithm", algorithm
    yield "arithmetic", "; ".join(f"{phase}: {how}" for phase, how in arithmetic.items())
    yield "reward", " + ".join(_part(part) for part in config.reward)
    if config.dialogue is not None:
        yield "dialogue", f"{config.dialogue.turns} answers to each problem; the teacher replies in between ({config.dialogue.reply})"
    if config.tripwire is not None:
        yield "tripwire", "a stricter, hidden check of a sample of the rollouts stops the run if the reward is hacked"
    if soft := config.overlong_tokens:
        yield (
            "length",
            f"the reward falls by up to 1 over the last {soft} of {most} tokens (soft overlong punishment)",
        )
    sets = [
        f"{task_title(each.task)} (at most {each.problems} held-out problems x {each.samples} completions{_sampled(each.sampling)})"
        for each in config.evaluations
    ]
    yield "measured", f"before and after: {', '.join(sets)}" if sets else "nothing (no evaluations)"
    if sets and 0 < config.evaluate_every < grpo.steps:
        ending, problems = "" if config.evaluate_every == 1 else "s", config.evaluate_problems or "all"
        yield "during", f"every {config.evaluate_every} step{ending}: {problems} problems of each set"
    yield "run", str(run)


def _part(part: AnyPart) -> str:
    """`accuracy`, `0.5 language`, `file.py:function`, `teacher-answer`."""
    name = part.function if isinstance(part, OwnPart) else part.name if isinstance(part, TeacherPart) else part.kind
    return name if part.weight == 1 else f"{part.weight:g} {name}"


def _task(task: TaskConfig) -> str:
    full = getattr(task, "wording", "short") == "full"
    return f"{task_title(task)}, worded in full" if full else task_title(task)


def _sampled(sampling: SamplingConfig) -> str:
    return "" if sampling.temperature == 1 else f" at temperature {sampling.temperature:g}"


def announce_evaluation(reporter: Reporter, model: str, config: EvalConfig, template: Template, out: Path | None, chosen: str = "") -> None:
    """Report the plan of `dunwu eval`, before anything is loaded."""
    reporter.say("Evaluation: held-out problems, sampled completions, each verified.")
    reporter.facts((*_evaluation_facts(model, config, template, out), *chosen_facts(chosen)))


def _evaluation_facts(model: str, config: EvalConfig, template: Template, out: Path | None) -> Iterator[tuple[str, str]]:
    sampling = config.sampling
    yield "model", model
    yield "template", template if isinstance(template, str) else ", ".join([template.layout, *template.added()])
    yield "task", f"{_task(config.task)}, {config.split} split"
    yield from _answer_facts(config.answer_form or DEFAULT, template, [config.task])
    yield (
        "measured",
        f"at most {config.problems} problems x {config.samples} completions = {config.problems * config.samples:,} completions "
        f"of at most {sampling.max_tokens} tokens",
    )
    changed = sampling.model_dump(exclude_defaults=True, exclude={"max_tokens", "temperature"})
    filters = "".join(f", {name} {value:g}" for name, value in changed.items())
    yield "sampling", f"temperature {sampling.temperature:g}{filters}, seed {config.seed}"
    yield from protocol_facts(config)
    yield "results", "not written to disk (--out writes them)" if out is None else str(out)


def protocol_facts(config: EvalConfig) -> Iterator[tuple[str, str]]:
    """The protocol of an evaluation, if any, and what departs from it."""
    if config.protocol:
        found = deviations(config.protocol, config.model_dump(mode="json"))
        changed = ", ".join(f"{each.key} {_plain(each.value)} instead of {_plain(each.protocol)}" for each in found)
        yield "protocol", f"{config.protocol}, but {changed}" if changed else f"{config.protocol}, as the paper has it"


def _plain(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


def chosen_facts(chosen: str) -> Iterator[tuple[str, str]]:
    """The values that follow the model because nobody has set them, if any."""
    if chosen:
        yield "chosen", f"for this model: {chosen}"


def _answer_facts(answer_form: AnswerForm, template: Template, tasks: Sequence[TaskConfig]) -> Iterator[tuple[str, str]]:
    """Where answers are read, if not where they are by default, and whether the prompts ask for another place or for none."""
    form = FORMS[answer_form]
    asked = answer_form if isinstance(template, TemplateConfig) and template.suffix == ASKS else form_asked(template)
    if answer_form != DEFAULT:
        other = f"; the template asks for {_PLACES[asked]}" if asked and FORMS[asked].asks != form.asks else ""
        yield "answers", f"{form.reads} (answer_form = {answer_form}){other}"
    elif asked is None and any(isinstance(task, DatasetTask | ReasoningGymTask) for task in tasks):
        yield (
            "answers",
            f"{form.reads}, for which this template does not ask; if the problems do not either, set answer_form, such as last-number,"
            " or ask for it: template.suffix=answer_form",
        )


_PLACES: Mapping[AnswerForm, str] = {DEFAULT: "tags", "boxed": FORMS["boxed"].reads, "####": "####"}


def dropped_facts(dropped: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """A line about unusable rows, if any."""
    if dropped:
        yield "dropped", "unusable rows: " + ", ".join(f"{count:,} {kind}" for kind, count in sorted(dropped.items()))


def final_checkpoint(run: RunDirectory, steps: int, budget: Budget | None) -> Path:
    """Where a run has its last checkpoint once it is finished: after ``steps``, or earlier with a spent budget."""
    return run.checkpoints / step_folder(steps if budget is None else budget.last_step(read_metrics(run.path), steps))


def budget_facts(budget: Budget | None) -> Iterator[tuple[str, str]]:
    """After how much compute training ends, if it does."""
    if budget is not None:
        yield "budget", f"training ends after {budget.flops:.2g} FLOPs"


def already_finished(run: RunDirectory, final: Path) -> bool:
    """Whether the run was finished earlier, with the checkpoint ``final``; reports where it and the report are, which is written again."""
    if not (run.finished and final.exists()):
        return False
    run.reporter.say(f"{run.path} is finished: checkpoint {final}, report {write_report(run.path)}")
    return True


def conclude(reporter: Reporter, results: Results, seconds: Mapping[str, float], checkpoint: Path, report: Path) -> None:
    """Report the results: the table, a sentence for each set, one problem before and after, and where everything is."""
    if results:
        reporter.table(headline(results))
    rows = read_metrics(report.parent)
    for name, phases in results.items():
        before, after = (phases[phase].summary() if phase in phases else {} for phase in PHASES)
        texts = (change(phases), f"{failed}." if (failed := nothing_learnt(before, after, rows)) else "")
        reporter.facts(("", f"{name}: {text}") for text in texts if text)
    for phases in results.values():
        found = compare(phases)
        if found is not None and found.pairs:
            show_pair(reporter, found.pairs[0])
            break
    reporter.say("")
    labels = {
        "evaluate_before": "measuring before",
        "train": "training",
        "evaluate_during": "measuring during",
        "evaluate_after": "measuring after",
    }
    times = ", ".join(f"{name} {duration(seconds[key])}" for key, name in labels.items() if key in seconds)
    reporter.facts((("time", times), ("checkpoint", str(checkpoint)), ("report", str(report))))


def headline(results: Results) -> Table:
    """The final before/after table: one row per figure, so that it fits into 80 columns."""
    table = Table("", *PHASES, box=SIMPLE_HEAD, pad_edge=False)
    for name, phases in results.items():
        summaries = [phases[phase].summary() if phase in phases else {} for phase in PHASES]
        table.add_row(f"[bold]{escape(clean(name))}[/bold]")
        for label, *values in _figures(*summaries):
            table.add_row(f"  {label}", *values)
        table.add_section()
    return table


def _figures(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    k = after.get("k") or before.get("k")
    yield "pass@1 (95 % interval)", _with_interval(before), _with_interval(after)
    if k != 1:
        yield f"majority@{k}", percent(before.get("majority_at_k")), percent(after.get("majority_at_k"))
    amounts = {"mean_length": "length, tokens", "thinking_length": "thinking, tokens", "reflections_per_completion": "reflective words"}
    for key, label in amounts.items():
        digits = 1 if key == "reflections_per_completion" else 0
        yield label, _amount(before.get(key), digits), _amount(after.get(key), digits)
    yield "cut off at the limit", percent(before.get("clipped_ratio")), percent(after.get("clipped_ratio"))


def _with_interval(summary: Mapping[str, Any]) -> str:
    low, high = summary.get("interval") or (None, None)
    value = percent(summary.get("pass_at_1"))
    return value if low is None or high is None else f"{value} ({100 * low:.1f} to {100 * high:.1f})"


def _amount(value: float | None, digits: int) -> str:
    return "not measured" if value is None else plain(value, digits)


def change(phases: Mapping[str, EvaluationResult]) -> str:
    """``accuracy 18.0 % -> 63.0 % (...), thinking 28 -> 78 tokens, reflective words 1.1 -> 6.1 per completion.``"""
    if not set(PHASES) <= phases.keys():
        return ""
    before, after = (phases[phase].summary() for phase in PHASES)
    changes = []
    if before["pass_at_1"] is not None and after["pass_at_1"] is not None:
        verdict = f" (the intervals {found})" if (found := overlap(before, after)) else ""
        changes.append(f"accuracy {percent(before['pass_at_1'])} -> {percent(after['pass_at_1'])}{verdict}")
    for key, name, digits, unit in (
        ("thinking_length", "thinking", 0, " tokens"),
        ("reflections_per_completion", "reflective words", 1, " per completion"),
    ):
        if before[key] is not None and after[key] is not None:
            changes.append(f"{name} {plain(before[key], digits)} -> {plain(after[key], digits)}{unit}")
    return f"{', '.join(changes)}." if changes else ""


def show_pair(reporter: Reporter, pair: Pair) -> None:
    """Print one problem before and after."""
    reporter.say(f"\nThe same problem before and after ({pair.kind}; the report has more):")
    reporter.sample("problem", pair.problem)
    for side in pair.sides:
        words = f"{side.reflections} reflective word{'' if side.reflections == 1 else 's'}"
        text = "".join(piece.text for piece in side.completion.segments)
        reporter.sample(f"{side.phase}: {side.verdict}, {side.tokens} tokens, {words}", text)
