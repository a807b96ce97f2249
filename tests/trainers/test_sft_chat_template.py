"""SFT with a model's own chat template, SmolLM2's: tokens, mask and loss are those of transformers, and the end of a turn is learned.

The expectation is computed apart from our code: transformers renders with marks of what the assistant says, and its model gives the logits.
`tests/peers/test_trl_sft.py` has the same rows beside TRL.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from dunwu.config.sft import SftConfig
from dunwu.data.io.chat_examples import Counts, Example, ExampleReader, encode_rows
from dunwu.errors import DataError
from dunwu.models.chat import fitting_template
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.tasks.rows import Row
from dunwu.trainers.sft import SftTrainer
from dunwu.types import Request, SamplingParams
from tests.models.tokenizers_of_kinds import SMOLLM2_MARKED, smollm2_like
from tests.peers.chat_rows import CHATS


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return smollm2_like()


@pytest.fixture
def model(new_policy: Callable[..., Any], tokenizer: Any) -> Any:
    """A small random model with this vocabulary, whose distribution is far from uniform."""
    made = new_policy(3)
    made.resize_token_embeddings(len(tokenizer))
    with torch.no_grad():
        for matrix in (each for each in made.parameters() if each.ndim == 2):
            matrix.mul_(8)
    return made


def examples_of(rows: list[dict[str, Any]], tokenizer: Any) -> list[Example]:
    placed = [Row(row, "rows", place, "unnamed") for place, row in enumerate(rows)]
    return list(encode_rows(placed, fitting_template("auto", tokenizer), tokenizer))


def trainer_of(model: Any, tokenizer: Any, examples: list[Example], **more: Any) -> SftTrainer:
    values = {"batch_size": len(examples), "matmul_precision": "float32", "max_grad_norm": 1e9, "sample_every": 1000, "save_every": 1000}
    config = SftConfig(data="rows", **{**values, **more})
    return SftTrainer(config, model, tokenizer, TorchEngine(model, tokenizer, native=False), examples)


def marked(row: dict[str, Any], tokenizer: Any) -> tuple[list[int], list[bool]]:
    """Ids and mask of transformers."""
    found = tokenizer.apply_chat_template(
        row["messages"], chat_template=SMOLLM2_MARKED, return_assistant_tokens_mask=True, return_dict=True
    )
    return found["input_ids"], [bool(flag) for flag in found["assistant_masks"]]


@pytest.mark.parametrize("name", CHATS)
def test_the_same_tokens_are_learned_as_in_transformers(name: str, tokenizer: Any) -> None:
    """What follows the last end of an assistant's turn has no loss, so we leave it out."""
    [example], (ids, learned) = examples_of([CHATS[name]], tokenizer), marked(CHATS[name], tokenizer)
    assert example.ids.tolist() == ids[: len(example.ids)]
    assert example.learned.tolist() == learned[: len(example.ids)]
    assert not any(learned[len(example.ids) :])
    ends = [place for place, token in enumerate(example.ids.tolist()) if token == tokenizer.eos_token_id and example.learned[place]]
    assert len(ends) == sum(message["role"] == "assistant" for message in CHATS[name]["messages"])


def test_the_loss_of_packed_rows_is_that_of_transformers_row_by_row(model: Any, tokenizer: Any) -> None:
    rows = [marked(row, tokenizer) for row in CHATS.values()]
    total = sum(sum(learned) for _, learned in rows)
    expected = torch.zeros(())
    for ids, learned in rows:
        targets = torch.tensor([token if flag else -100 for token, flag in zip(ids, learned, strict=True)])
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        expected = expected + cross_entropy(logits[:-1], targets[1:], ignore_index=-100, reduction="sum") / total
    expected.backward()
    gradients = {key: parameter.grad.clone() for key, parameter in model.named_parameters()}
    model.zero_grad()

    trainer = trainer_of(model, tokenizer, examples_of(list(CHATS.values()), tokenizer), micro_batch_tokens=400)
    totals = trainer._accumulate(trainer.examples)
    assert totals.tokens == total
    assert totals.metrics()["loss"] == pytest.approx(expected.item(), rel=1e-5)
    size = max(gradient.abs().max().item() for gradient in gradients.values())
    for key, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[key], rtol=1e-4, atol=1e-5 * size)


def test_a_row_that_is_too_long_is_refused_or_dropped_never_cut(tokenizer: Any, tmp_path: Path) -> None:
    rows = [{"messages": CHATS[name]["messages"]} for name in ("one turn", "long")]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    longest = len(marked(rows[0], tokenizer)[0])
    template = fitting_template("auto", tokenizer)
    with pytest.raises(DataError, match="row 2"):
        list(ExampleReader(path, template, tokenizer, longest, "refuse").read(Counts()))
    [kept] = ExampleReader(path, template, tokenizer, longest, "drop").read(counts := Counts())
    assert kept.ids.tolist() == examples_of(rows[:1], tokenizer)[0].ids.tolist()
    assert counts.too_long == 1


def share_stopped(model: Any, tokenizer: Any, examples: list[Example]) -> float:
    """How many of 200 answers of the model, fine-tuned on ``examples``, stop by themselves."""
    trainer = trainer_of(model, tokenizer, examples, epochs=60, learning_rate=1e-2, warmup_steps=0, weight_decay=0.0)
    for step in range(1, trainer.steps + 1):
        trainer.step(step)
    params = SamplingParams(max_tokens=30, temperature=1.0, stop_token_ids=trainer.engine.stop_token_ids)
    prompts = [tuple(example.ids[: example.start].tolist()) for example in examples]
    trainer.engine.load_weights(1)
    answers = trainer.engine.generate([Request(prompts[n % len(prompts)], params, n) for n in range(200)])
    return sum(answer.finish_reason == "stop" for answer in answers) / len(answers)


def test_a_fine_tuned_model_stops_by_itself(model: Any, tokenizer: Any) -> None:
    """Padding is the end token here: a trainer that masks padding by its id never teaches it."""
    rows = [
        {"messages": [{"role": "user", "content": f"Say {n}."}, {"role": "assistant", "content": f"{n}, {n} it is."}]} for n in range(8)
    ]
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    assert share_stopped(model, tokenizer, examples_of(rows, tokenizer)) >= 0.99


def test_without_the_end_in_the_loss_it_would_not(model: Any, tokenizer: Any) -> None:
    """The check above can fail."""
    rows = [
        {"messages": [{"role": "user", "content": f"Say {n}."}, {"role": "assistant", "content": f"{n}, {n} it is."}]} for n in range(8)
    ]
    masked = examples_of(rows, tokenizer)
    for example in masked:
        example.learned[-1] = False
    assert share_stopped(model, tokenizer, masked) < 0.5
