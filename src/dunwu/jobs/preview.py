"""What a run would read and need, for ``--dry-run``: the data is read and checked as in the run, nothing is trained or written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import psutil
import torch

from dunwu.config.data_replies import RejectionConfig
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.template import Template
from dunwu.config.zero import EvalConfig, ZeroConfig
from dunwu.data.builders.sampled import training_problems
from dunwu.data.first_rows import conversations_taken, preferences_taken
from dunwu.data.generators.cost import estimate
from dunwu.data.io.chat_examples import Counts, Example
from dunwu.data.io.token_file import bytes_on_disk
from dunwu.data.prompts import PromptLimit, asked_turns, make_prompts
from dunwu.data.usable import held_out_problems, sift
from dunwu.jobs.building import token_counter
from dunwu.jobs.checks import Checked, check_data, check_room, check_sandbox
from dunwu.jobs.evaluate import MAX_PROMPT_TOKENS
from dunwu.jobs.headline import dropped_facts
from dunwu.jobs.memory import GIB, budget, budget_lines, fits, in_words, model_files, read_dimensions, remedies
from dunwu.jobs.reward_checks import check_parts, check_reward, teacher_facts
from dunwu.jobs.reward_model import read_examples as read_preferences
from dunwu.jobs.sft import example_readers, paths, template_of
from dunwu.models.facts import model_facts
from dunwu.models.loading import load_tokenizer
from dunwu.models.protocols import Tokenizer
from dunwu.run.reporter import clean
from dunwu.tasks.base import Finite, Task
from dunwu.tasks.make import make_mixture
from dunwu.tasks.mixture import Mixture
from dunwu.tasks.rows import local_rows, stream_rows
from dunwu.trainers.reward_model_examples import Reader
from dunwu.trainers.trackers import check_trackers

SHOWN = 600
"""Characters shown of the first prompt."""
UNBOUNDED = 1 << 30
CHARACTERS = 4
"""Of a token, about, if no tokenizer is here."""


def preview_zero(config: ZeroConfig, room_gib: float | None = None) -> list[str]:
    """Rows, dropped rows, the first prompt, prompt tokens and the memory needed. Raises ``UserError`` as the run would."""
    check_trackers(config.report_to)
    check_parts(config)
    task, tokenizer, size = make_mixture(config.tasks, config.answer_form), _tokenizer(config.model), read_dimensions(config.model)
    if tokenizer is None:
        lines, longest = [*_rows(config, task), *_unknown(config.model)], config.max_prompt_tokens
    else:
        checked = check_data(config, task, size.positions if size and size.positions else UNBOUNDED, tokenizer)
        lines, longest = list(_data(checked, task, tokenizer)), max(len(prompt.token_ids) for prompt in checked.prompts)
        lines += [f"{name}: {text}" for name, text in teacher_facts(config, checked.prompts, tokenizer)]
    check_reward(config, task)
    if size is None:
        absent = f"memory: the config.json of {config.model} is not on this machine, so it cannot be computed"
        return [*lines, *([] if is_made(config.model) else [absent])]
    cuda = config.device.startswith("cuda") or (config.device == "auto" and torch.cuda.is_available())
    found = budget(size, config, longest, cuda)
    lines += budget_lines(found)
    room, place = _room(config.device, room_gib)
    if room is None:
        return [*lines, "memory to compare with: unknown, as this machine has no such device; give it with --memory GIB"]
    if fits(found, room):
        return [*lines, f"it fits: {place} has {in_words(room)}"]
    ways = "; or ".join(remedies(size, config, longest, cuda, room)) or "several of these lower, or take a larger device"
    return [*lines, f"it will NOT fit: {place} has {in_words(room)}; set {ways}"]


def preview_evaluation(model: str, config: EvalConfig, template: Template) -> list[str]:
    """Rows and the first prompt. Raises ``UserError`` as the evaluation would."""
    tokenizer = _tokenizer(model)
    if tokenizer is None:
        return _unknown(model)
    found = held_out_problems(config, PromptLimit(template, tokenizer, MAX_PROMPT_TOKENS), all_rows=True)
    check_sandbox(found.problems)
    lines = [f"rows: {found.splits}"] if found.splits else []
    lines += [f"{name}: {text}" for name, text in dropped_facts(found.dropped)]
    lines += [f"warning: {text}" for text in filter(None, (found.note, *found.warnings))]
    prompts = make_prompts(found.problems, template, tokenizer, MAX_PROMPT_TOKENS)
    if (positions := model_facts(model).positions) and config.protocol is None:  # a protocol shortens what does not fit
        check_room(prompts, "max_tokens", config.sampling.max_tokens, positions, template)
    lines.append(f"tokens of a prompt: {_spread(sorted(len(prompt.token_ids) for prompt in prompts))}")
    return [*lines, *as_read("first prompt", prompts[0].text, prompts[0].token_ids, tokenizer)]


def preview_requests(config: EvalConfig, template: Template) -> list[str]:
    """Rows, the requests to an endpoint and what they cost in tokens, and the first one's messages. Raises ``UserError`` as it would."""
    found = held_out_problems(config, None, all_rows=True)
    check_sandbox(found.problems)
    lines = [f"rows: {found.splits}"] if found.splits else []
    lines += [f"{name}: {text}" for name, text in dropped_facts(found.dropped)]
    lines += [f"warning: {text}" for text in filter(None, (found.note, *found.warnings))]
    asked = [asked_turns(problem, template) for problem in found.problems]
    number = len(asked) * config.samples
    read = sum(len(turn["content"]) for turns in asked for turn in turns) * config.samples // CHARACTERS
    lines.append(f"{number:,} requests: about {read:,} tokens of prompts, at most {number * config.sampling.max_tokens:,} generated")
    return [*lines, "first request:", *(f"| {turn['role']}: {clean(line)}" for turn in asked[0] for line in turn["content"].split("\n"))]


def preview_sft(config: SftConfig) -> list[str]:
    """Conversations, tokens, and conversations that are too long."""
    check_trackers(config.report_to)
    tokenizer, size = _tokenizer(config.model), read_dimensions(config.model)
    if tokenizer is None:
        return [*(f"{path}: {sum(1 for _ in stream_rows(path)):,} rows" for path in paths(config).values()), *_unknown(config.model)]
    template = template_of(config, tokenizer)
    readers = example_readers(config, template, tokenizer, size.positions if size and size.positions else UNBOUNDED)
    vocabulary = size.vocabulary if size else len(tokenizer)
    lines, first = list[str](), list[Example]()
    for name, reader in readers.items():
        counts = Counts()
        for example in reader.read(counts):
            first = first or [example]
        lines.append(f"{name}: {counts}; as tokens {in_words(bytes_on_disk(counts.tokens, vocabulary))} on disk")
    ids = first[0].ids.tolist()
    shown = as_read("first conversation", tokenizer.decode(ids), ids, tokenizer, f", {first[0].targets:,} of them learned")
    return [f"reads: {conversations_taken(config)}", *lines, *shown]


def preview_rejection(config: RejectionConfig) -> list[str]:
    """Problems, the tokens that the model would read and write, and the cost if prices are given."""
    problems = training_problems(config.tasks, config.prompts, config.seed, config.answer_form)
    folder = model_files(config.model)
    count = token_counter(str(folder)) if folder else lambda texts: [len(text) // CHARACTERS for text in texts]
    most = len(problems) * config.samples * config.sampling.max_tokens
    cost = estimate({problem.text: config.samples for problem in problems}, most, config.generator, count)
    return [f"{len(problems):,} problems, {config.samples} answers each: {cost}", f"first problem: {_quoted(problems[0].text)}"]


def as_read(title: str, text: str, ids: Sequence[int], tokenizer: Tokenizer, more: str = "") -> Iterator[str]:
    """A whole text as a model reads it, line by line, below a line with its number of tokens and the special ones among them."""
    special = {index for index, added in tokenizer.added_tokens_decoder.items() if added.special}
    counts = Counter(token for token in ids if token in special)
    found = ", ".join(f"{name} {count}" for name, count in zip(tokenizer.convert_ids_to_tokens([*counts]), counts.values(), strict=True))
    yield f"{title}: {len(ids):,} tokens{more}; special tokens: {found or 'none'}"
    yield from (f"| {clean(line)}" for line in text.split("\n"))


def preview_reward_model(config: RewardModelConfig) -> list[str]:
    """Training and held-out examples, and what is excluded."""
    check_trackers(config.report_to)
    tokenizer = _tokenizer(config.model)
    if config.data is None:
        return []
    if tokenizer is None:
        return [f"rows: {len(local_rows(Path(config.data).expanduser())):,}", *_unknown(config.model)]
    train, _, counts = read_preferences(config, Path(config.data).expanduser(), Reader(tokenizer, tokenizer.pad_token_id))
    lengths = sorted(len(row) for example in train for row in example.rows)
    first = tokenizer.decode(list(train[0].rows[0]))
    rows = ", ".join(f"{name} {number:,}" for name, number in counts.items() if number)
    return [f"reads: {preferences_taken(config)}", f"rows: {rows}", f"tokens of a row: {_spread(lengths)}", f"first row: {_quoted(first)}"]


def _data(checked: Checked, task: Task, tokenizer: Tokenizer) -> Iterator[str]:
    rows = f"{checked.rows:,} rows" if _all_finite(task) else f"{checked.rows:,} problems checked, of generated ones the first"
    yield f"training data: {rows} of {_names(task)}"
    yield from (f"{name}: {text}" for name, text in checked.remarks())
    yield from (f"warning: {text}" for text in checked.warnings)
    yield f"tokens of a prompt: {_spread(sorted(len(prompt.token_ids) for prompt in checked.prompts))}"
    first = checked.prompts[0]
    yield from as_read("first prompt", first.text, first.token_ids, tokenizer)


def _rows(config: ZeroConfig, task: Task) -> Iterator[str]:
    """What is known about the rows without a tokenizer."""
    for part, weighted in zip(_parts(task), config.tasks, strict=True):
        dropped = sift(part, weighted.task, "train", None)
        yield f"training data: {len(part.rows('train')):,} rows of {part.name}" if isinstance(part, Finite) else f"generated: {part.name}"
        yield from [f"rows: {part.splits}", *(f"warning: {text}" for text in part.warnings)] if isinstance(part, Finite) else ()
        yield from (f"{name}: {text}" for name, text in dropped_facts(dropped))
    yield f"first problem: {_quoted(task.train(0, config.seed).text)}"


def _parts(task: Task) -> Sequence[Task]:
    return task.tasks if isinstance(task, Mixture) else [task]


def _all_finite(task: Task) -> bool:
    return all(isinstance(part, Finite) for part in _parts(task))


def _names(task: Task) -> str:
    return ", ".join(part.name for part in _parts(task))


def _spread(lengths: Sequence[int]) -> str:
    return f"{lengths[0]:,} to {lengths[-1]:,}, half of them at most {int(median(lengths)):,}"


def _quoted(text: str) -> str:
    return repr(text[:SHOWN].encode("utf-8", "replace").decode()) + (" ..." if len(text) > SHOWN else "")


def is_made(name: str) -> bool:
    """True for what another stage of a pipeline makes."""
    return name.startswith("@")


def _unknown(model: str) -> list[str]:
    text = f"prompts: the tokenizer of {model} is not on this machine, so tokens are not counted and long prompts not found"
    return [] if is_made(model) else [text]


def _tokenizer(model: str) -> Tokenizer | None:
    """The tokenizer; ``None`` for a model that would have to be downloaded first."""
    folder = model_files(model)
    return None if folder is None else load_tokenizer(str(folder))


def _room(device: str, named: float | None) -> tuple[int | None, str]:
    """Bytes that the run may use, and the device they are on."""
    if named is not None:
        return int(named * GIB), "the device of --memory"
    if device.startswith("cuda") or (device == "auto" and torch.cuda.is_available()):
        here = torch.cuda.is_available() and (torch.device(device).index or 0 if device != "auto" else 0) < torch.cuda.device_count()
        return (int(torch.cuda.get_device_properties(device if ":" in device else 0).total_memory), device) if here else (None, device)
    return int(psutil.virtual_memory().total), "this machine"
