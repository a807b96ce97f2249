"""Tables on disk: rollouts (one Parquet file per step, one row per rollout) and dataclass rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from dunwu.errors import DataError
from dunwu.run.atomic import atomic_file
from dunwu.text.surrogates import as_utf8
from dunwu.types import Group, Rollout

_COLUMNS: Mapping[object, pa.DataType] = {str: pa.string(), int: pa.int32(), float: pa.float64(), bool: pa.bool_()}
"""Column type by the type of a field; a literal of names is text."""

EARLIER = "earlier"
"""Column of dialogues: the earlier answers and the teacher's replies. ``completion`` is the last answer."""
OF_TOKENS: Mapping[str, pa.DataType] = {
    "token_characters": pa.list_(pa.int32()),
    "entropies": pa.list_(pa.float32()),
    "token_advantages": pa.list_(pa.float32()),
}
"""Optional columns with an entry per token, as ``behaviour_logprobs`` has. ``token_characters``: how many characters of ``completion`` a
token wrote; ``entropies``: the policy's, in nats to three decimals; ``token_advantages``: only where tokens differ (process rewards)."""
OfTokens = Mapping[str, Sequence[float] | None]
ThinkingTokens = Callable[[Rollout], int] | Sequence[int]

_TYPES: Mapping[str, pa.DataType] = {
    "step": pa.int64(),
    "problem_id": pa.string(),
    "task": pa.string(),
    "language": pa.string(),
    "difficulty": pa.float64(),
    "problem": pa.string(),
    "verifier": pa.string(),
    "answer": pa.string(),
    "prompt": pa.string(),
    "prefill": pa.string(),
    "completion": pa.string(),
    "tokens": pa.int32(),
    "thinking_tokens": pa.int32(),
    "finish_reason": pa.string(),
    "policy_version": pa.int64(),
    "reward": pa.float64(),
    "verdict": pa.string(),
    "verdict_detail": pa.string(),
    "advantage": pa.float64(),
    "behaviour_logprobs": pa.list_(pa.float32()),
    "data": pa.string(),
}


def rows_table(rows: Sequence[Any], kind: type) -> pa.Table:
    """``rows`` of the dataclass ``kind`` as a table with a column per field; fields are text, numbers or booleans, or ``None``."""
    plain = [{name: as_utf8(value) if isinstance(value, str) else value for name, value in asdict(row).items()} for row in rows]
    fields = [(name, _COLUMNS.get((get_args(hint) or (hint,))[0], pa.string())) for name, hint in get_type_hints(kind).items()]
    return pa.Table.from_pylist(plain, schema=pa.schema(fields))


def write_rollouts(
    path: Path,
    groups: Sequence[Group],
    advantages: Sequence[float | None],
    step: int,
    thinking_tokens: ThinkingTokens,
    of_tokens: Sequence[OfTokens] = (),
) -> None:
    """Write the rollouts of ``groups``, in order, atomically as one Parquet file.

    ``advantages`` (``None`` for an excluded rollout), ``thinking_tokens`` (counts, or a function that counts the tokens before
    ``</think>``) and ``of_tokens`` (values of the columns `OF_TOKENS`) follow the rollouts' order. Each part of the reward becomes a
    column ``reward_<part>``. ``data`` is the problem's data as JSON. Raises ``RunError`` if the disk is full.
    """
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    counts = [thinking_tokens(rollout) for rollout in rollouts] if callable(thinking_tokens) else list(thinking_tokens)
    assert len(advantages) == len(rollouts), f"{len(advantages)} advantages for {len(rollouts)} rollouts"
    assert len(counts) == len(rollouts), f"{len(counts)} thinking lengths for {len(rollouts)} rollouts"
    parts = sorted({part for rollout in rollouts for part in rollout.reward.parts})
    rows = [
        _row(rollout, parts) | {"step": step, "advantage": advantage, "thinking_tokens": count, **more}
        for rollout, advantage, count, more in zip(rollouts, advantages, counts, of_tokens or [{}] * len(rollouts), strict=True)
    ]
    with atomic_file(path) as file:
        schema = _schema(parts, [name for name in (*OF_TOKENS, EARLIER) if any(row.get(name) is not None for row in rows)])
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), file, compression="zstd")


def read_rollouts(path: Path, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Rows of a file of ``write_rollouts`` with ``data`` decoded; raises ``DataError`` if it cannot be read.

    ``columns``: only these, ``data`` among them; the log-probabilities are most of the file.
    """
    try:
        rows: list[dict[str, Any]] = pq.read_table(path, columns=columns).to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"rollouts {path} cannot be read ({error}): delete the file or pass another") from error
    return [row | {"data": json.loads(row["data"])} for row in rows]


def holds_rollouts(path: Path) -> bool:
    """True if ``path`` has the columns of ``write_rollouts``."""
    try:
        return _TYPES.keys() <= set(pq.read_schema(path).names)
    except (OSError, pa.ArrowInvalid):
        return False


def _schema(parts: Sequence[str], more: Sequence[str]) -> pa.Schema:
    fields: list[tuple[str, pa.DataType]] = []
    for name, kind in _TYPES.items():
        fields.append((name, kind))
        if name == "reward":
            fields += [(f"reward_{part}", pa.float64()) for part in parts]
    return pa.schema(fields + [(name, OF_TOKENS.get(name, pa.string())) for name in more])


def _row(rollout: Rollout, parts: Sequence[str]) -> dict[str, Any]:
    problem, completion, reward = rollout.prompt.problem, rollout.completion, rollout.reward
    row: dict[str, Any] = {
        "problem_id": as_utf8(problem.id),
        "task": problem.task,
        "language": problem.language,
        "difficulty": problem.difficulty,
        "problem": as_utf8(problem.text),
        "verifier": problem.verifier,
        "answer": None if problem.answer is None else as_utf8(problem.answer),
        "prompt": as_utf8(rollout.prompt.text),
        "prefill": rollout.prompt.prefill,
        "completion": as_utf8(completion.text),
        "tokens": completion.tokens.sampled_count,
        "finish_reason": completion.finish_reason,
        "policy_version": min(completion.tokens.versions, default=None),
        "reward": reward.total,
        "verdict": reward.verdict.reason,
        "verdict_detail": as_utf8(reward.verdict.detail),
        "behaviour_logprobs": list(completion.tokens.behaviour_logprobs),
        "data": json.dumps(dict(problem.data)),
    }
    if completion.earlier:
        row[EARLIER] = as_utf8(said_before(rollout))
    return row | {f"reward_{part}": reward.parts.get(part) for part in parts}


def said_before(rollout: Rollout) -> str:
    """The earlier answers of a dialogue, and the teacher's replies."""
    return "".join(f"{rollout.prompt.prefill}{each.answer.text}\n[teacher] {each.reply}\n" for each in rollout.completion.earlier)
