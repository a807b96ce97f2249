"""The card of a released model: `README.md` with a head that the hub reads. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from dunwu.analysis.markdown import code, fence, markdown_table, prose
from dunwu.analysis.model_history import History, Source, Step
from dunwu.analysis.pairs import Side
from dunwu.config.licences import UNKNOWN
from dunwu.config.yaml_text import write_yaml
from dunwu.run.reporter import duration

QUESTION = "What is 17 + 25?"
KINDS: Mapping[str, str] = {
    "zero": "Reinforcement learning",
    "sft": "Supervised fine-tuning",
    "distillation": "Distillation beside a teacher",
    "reward_model": "Training of a reward model",
    "new_model": "A new model with random weights",
    "merge": "Weights of several models merged",
    "pretrain": "Pre-training from scratch",
    "cold_start": "Data: a cold start",
    "rejection_sampling": "Data: rejection sampling",
    "preferences": "Data: preference pairs",
    "general": "Data: general conversations",
    "difficulty": "Data: problems by difficulty",
    "clean": "Data: cleaned rows",
    "mix": "Data: a mixture",
    "file": "A file from outside",
    "own": "A custom stage",
}
"""Kinds of runs and stages in words."""
NEUTRAL = {"top_p": 1.0, "top_k": 0, "min_p": 0.0}
"""Values that change nothing."""
TAGS: Mapping[str, tuple[str, ...]] = {
    "zero": ("reinforcement-learning", "grpo"),
    "sft": ("sft",),
    "distillation": ("distillation",),
    "reward_model": ("reward-model",),
    "merge": ("merge",),
}


@dataclass(frozen=True)
class Released:
    """What a release holds. ``criterion`` is that of a reward model, which has no prompt.

    ``prompt``: one whole prompt, ``stops``: the tokens that end an answer, ``reads``: where answers stand, ``asks``: the sentence that a
    problem should end with.
    """

    name: str
    repository: str
    licence: str
    licence_is_given: bool
    architecture: str
    parameters: int
    dtype: str
    positions: int
    vocabulary: int
    criterion: str = ""
    prompt: str = ""
    stops: tuple[str, ...] = ()
    sampling: Mapping[str, Any] = field(default_factory=dict)
    reads: str = ""
    asks: str = ""
    gguf: str = ""

    def in_words(self) -> Iterator[tuple[str, str]]:
        """Facts for the terminal."""
        yield "model", f"{self.name}, {self.parameters:,} parameters in {self.dtype}"
        yield "licence", self.licence if self.licence != UNKNOWN else "unknown: give one as --license, such as apache-2.0"
        if self.stops:
            yield "stops at", ", ".join(self.stops)


def model_card(released: Released, history: History) -> str:
    """The card in Markdown. Texts of models and users stand in code blocks, or with their markup escaped."""
    parts = {
        "": _what(released, history),
        "How to ask it": _usage(released, bool(history.asked)),
        "How it was made": _making(history),
        "Data": _data(history),
        "Evaluation": _evaluation(released, history),
        "Limits": _limits(released, history),
        "Cost": _cost(history),
        "Licence": _licence(released, history),
    }
    body = [f"# {prose(released.name)}"]
    for title, lines in parts.items():
        body += [*([f"## {title}"] if title else []), *filter(None, lines)]
    return f"---\n{write_yaml(head(released, history))}---\n\n" + "\n\n".join(body) + "\n"


def head(released: Released, history: History) -> dict[str, Any]:
    """The metadata that the hub reads: https://huggingface.co/docs/hub/model-cards."""
    base = history.base
    terms = dict(base.terms) if base and released.licence == "other" and not released.licence_is_given else {}
    hubs = dict.fromkeys(source.hub for step in history.steps for source in step.sources if source.hub)
    found: dict[str, Any] = {"license": released.licence, **terms, "library_name": "transformers"}
    found["pipeline_tag"] = "text-classification" if released.criterion else "text-generation"
    if base and base.hub:
        found["base_model"] = base.hub
    if hubs:
        found["datasets"] = list(hubs)
    if history.languages:
        found["language"] = list(history.languages)
    return {**found, "tags": list(_tags(released, history))}


def _tags(released: Released, history: History) -> Iterator[str]:
    trained = dict.fromkeys(tag for step in history.steps[-1:] for tag in TAGS.get(step.kind, ()))
    yield from dict.fromkeys(["dunwu", *trained, *(["distillation"] if history.distilled else []), *(["gguf"] if released.gguf else [])])


def _what(released: Released, history: History) -> Iterator[str]:
    base = history.base
    trained = [step for step in history.steps if step.kind in ("zero", "sft", "distillation", "reward_model", "pretrain")]
    start = f"{code(base.hub or base.name)}" if base else "random weights"
    did = f"trained from {start}" if trained else f"a copy of {start}; how it was trained is unknown"
    kind = f"A reward model for {code(released.criterion)}" if released.criterion else "A language model"
    yield f"{kind}, {did}, by Dunwu {version('dunwu')}." if trained else f"{kind}, {did}."
    rows = [
        ("architecture", code(released.architecture)),
        ("parameters", f"{released.parameters:,}"),
        ("weights", f"{released.dtype}, safetensors{f'; also {code(released.gguf)}' if released.gguf else ''}"),
        ("longest sequence", f"{released.positions:,} tokens"),
        ("vocabulary", f"{released.vocabulary:,} tokens"),
        ("languages", ", ".join(map(prose, history.languages)) or UNKNOWN),
    ]
    yield markdown_table(("", ""), rows)


def _usage(released: Released, as_trained: bool) -> Iterator[str]:
    place = repr(released.repository or released.name)
    if released.criterion:
        yield "It gives a text one score, the higher the better; only scores of this model can be compared with each other."
        yield fence(SCORING.format(place=place), "python")
        return
    yield from _asked(released, as_trained)
    question = f"{QUESTION}\n{released.asks}" if released.asks else QUESTION
    if released.prompt:
        yield fence(ASKING.format(place=place, question=repr(question), limit=released.sampling.get("max_tokens", 1024)), "python")


ASKING = """from transformers import AutoModelForCausalLM, AutoTokenizer

model, tokenizer = AutoModelForCausalLM.from_pretrained({place}), AutoTokenizer.from_pretrained({place})
messages = [{{"role": "user", "content": {question}}}]
prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
answer = model.generate(**prompt, max_new_tokens={limit})[0, prompt["input_ids"].shape[1]:]
print(tokenizer.decode(answer, skip_special_tokens=True))"""
SCORING = """from transformers import AutoModelForSequenceClassification, AutoTokenizer

model, tokenizer = AutoModelForSequenceClassification.from_pretrained({place}), AutoTokenizer.from_pretrained({place})
print(model(**tokenizer("a conversation in the chat template", return_tensors="pt")).logits)"""


def _asked(released: Released, as_trained: bool) -> Iterator[str]:
    """The form of prompts and answers, in words."""
    if not released.prompt:
        yield "It has no chat template: the text that it continues is the prompt."
        return
    parts = f", with the system prompt{'' if released.asks else ' and the suffix'} of training" if as_trained else ""
    yield f"The chat template writes the whole prompt{parts}:"
    yield fence(released.prompt)
    stops, drawn = ", ".join(map(code, released.stops)), released.sampling.items()
    facts = [
        f"End a problem with this line, as in training: {code(released.asks)}" if released.asks else "",
        f"The answer is read from: {code(released.reads)}." if released.reads else "",
        f"An answer ends at {stops or 'no token'}.",
        "Sampling: " + ", ".join(f"{code(key)} {value:g}" for key, value in drawn if NEUTRAL.get(key) != value) + "." if drawn else "",
    ]
    yield _list(facts)


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines if line)


def _making(history: History) -> Iterator[str]:
    if not history.steps:
        yield "Dunwu has no record of it."
        return
    start = history.base.hub or history.base.name if history.base else ""
    yield f"It began with {code(start)}." if start else "It began with random weights."
    for number, step in enumerate(history.steps, 1):
        yield f"### {number}. {KINDS.get(step.kind, prose(step.kind))} ({code(step.name)})"
        if step.teachers:
            yield f"Teacher: {', '.join(code(teacher.name) for teacher in step.teachers)}."
        yield markdown_table(("setting", "value"), ((code(key), code(value)) for key, value in step.settings))


def _data(history: History) -> Iterator[str]:
    rows = [
        (code(step.name), code(source.name), _rows(source), prose(source.licence if source.licence != UNKNOWN else source.made or UNKNOWN))
        for step in history.steps
        for source in step.sources
    ]
    yield markdown_table(("step", "source", "rows", "licence"), rows) or "Dunwu has no record of the data."


def _rows(source: Source) -> str:
    return f"{source.rows:,}" if source.rows else prose(source.made) or UNKNOWN


def _evaluation(released: Released, history: History) -> Iterator[str]:
    rows = [
        (code(step.name), code(figure.name), figure.before or "-", figure.after or "-")
        for step in history.steps
        for figure in step.figures
        if figure.before or figure.after
    ]
    if not rows:
        yield "Its runs have not measured it."
        return
    yield "Measured by the runs themselves on held-out rows, before and after the step; in brackets the 95 % interval."
    yield markdown_table(("step", "measured", "before", "after"), rows)
    if history.pair:
        yield "One held-out problem, and the first answer before and after the last step:"
        yield fence(history.pair.problem)
        yield from (text for side in history.pair.sides for text in _side(side))


def _side(side: Side) -> Iterator[str]:
    yield f"{side.phase.capitalize()}: {prose(side.verdict)}, {side.tokens} tokens."
    cut = f"\n... ({side.completion.cut} characters more)" if side.completion.cut else ""
    yield fence("".join(piece.text for piece in side.completion.segments) + cut)


def _limits(released: Released, history: History) -> Iterator[str]:
    last: Step | None = history.steps[-1] if history.steps else None
    measured = last is not None and any(figure.after for figure in last.figures)
    safe = any("safety" in str(step.settings) + step.name for step in history.steps)
    limit = released.sampling.get("max_tokens")
    rewarded = "The last step rewards answers, not the reasoning before them, which may be wrong, repeat itself or mix languages."
    lines = [
        rewarded if last is not None and last.kind == "zero" else "",
        "" if measured else "The last step was not measured.",
        "Other problems, languages and lengths than those above were not measured.",
        "" if safe else "No known step trained the model to refuse harmful requests.",
        f"In its runs an answer had at most {limit:,} tokens." if limit else "",
    ]
    yield _list(lines)


def _cost(history: History) -> Iterator[str]:
    amounts = {"trained_tokens": "trained tokens", "generated_tokens": "generated tokens"}
    rows = [
        (
            code(step.name),
            duration(step.cost.get("seconds")),
            *(f"{step.cost[key]:,}" if step.cost.get(key) else "-" for key in amounts),
            " + ".join(f"{step.cost[key]:.2g}" for key in ("flops", "teacher_flops") if step.cost.get(key)) or "-",
            prose(step.machine) or UNKNOWN,
        )
        for step in history.steps
    ]
    yield markdown_table(("step", "time", *amounts.values(), "FLOPs", "machine"), rows) or "Unknown."


def _licence(released: Released, history: History) -> Iterator[str]:
    base, given = history.base, "chosen by who exported it" if released.licence_is_given else "that of the model it was trained from"
    if released.licence == UNKNOWN:
        yield "Unknown: ask whoever made the model and the data before you use it."
    else:
        yield f"{code(released.licence)}, {given}."
    if base and base.licence not in (released.licence, UNKNOWN):
        yield f"The base model {code(base.hub or base.name)} has the licence {code(base.licence)}."
    teachers = {teacher.name: teacher.licence for step in history.steps for teacher in step.teachers if not teacher.made}
    if teachers:
        licensed = (f"{code(name)} ({'unknown' if found == UNKNOWN else code(found)})" for name, found in teachers.items())
        yield f"Licences of teachers, which may bind their students too: {', '.join(licensed)}."
    if open_sources := dict.fromkeys(source.name for source in _sources(history) if source.licence == UNKNOWN and not source.made):
        yield f"Licences of data that are unknown: {', '.join(map(code, open_sources))}."


def _sources(history: History) -> list[Source]:
    return [source for step in history.steps for source in step.sources]
