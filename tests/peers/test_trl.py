"""Our losses and gradients beside TRL's, through the same model on the same tokens.

``DUNWU_TRL_PYTHON`` names the interpreter of an environment with TRL (it was written against 1.16). Both sides do their own forward pass in
float32; TRL pads prompts on the left, we put padding on the right. What TRL has and we do not: sapo, vespo, luspo.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dunwu.algorithms.entropy import EntropyBonus
from dunwu.algorithms.loss import Algorithm, GrpoBatch, grpo_loss
from dunwu.algorithms.mismatch import CORRECTIONS
from dunwu.algorithms.recipes import CISPO, DAPO, DR_GRPO, GRPO_R1, GSPO, RLOO
from dunwu.algorithms.terms import Denominators, token_mean
from dunwu.models.loading import save_model
from dunwu.models.logprobs import token_logprobs

PYTHON = os.environ.get("DUNWU_TRL_PYTHON")
ROWS, PROMPT, LIMIT = 6, 5, 9
PROMPT_LENGTHS, LENGTHS = (5, 3, 4, 5, 2, 5), (9, 4, 1, 7, 2, 9)
CAP = 1.3

pytestmark = pytest.mark.skipif(not PYTHON, reason="DUNWU_TRL_PYTHON is not set: no interpreter with TRL")


@dataclass(frozen=True)
class Case:
    """One of our algorithms, and the arguments that make TRL's trainer compute the same."""

    algorithm: Algorithm
    arguments: dict[str, Any] = field(default_factory=dict)
    trainer: str = "grpo"
    ratio: str | None = None


def grpo(algorithm: Algorithm, loss_type: str, ratio: str | None = None, **more: Any) -> Case:
    """TRL's GRPOTrainer with our algorithm's clip and KL. Its default weighs the KL by the ratio (arXiv 2512.02556), R1's not."""
    clip = {"epsilon": algorithm.clip_low, "epsilon_high": algorithm.clip_high}
    kl = {"beta": algorithm.beta, "use_bias_correction_kl": False}
    return Case(algorithm, {"loss_type": loss_type, **clip, **kl, **more}, ratio=ratio)


def corrected(mode: str) -> Algorithm:
    return replace(GRPO_R1, beta=0.04, mismatch=CORRECTIONS[mode], tis_clip=CAP)


CASES = {
    "grpo": grpo(GRPO_R1, "grpo"),
    "grpo-kl": grpo(replace(GRPO_R1, beta=0.3), "grpo"),
    "bnpo": grpo(replace(GRPO_R1, reduce=token_mean), "bnpo"),
    "dr_grpo": grpo(DR_GRPO, "dr_grpo"),
    "dr_grpo-kl": grpo(replace(DR_GRPO, beta=0.3), "dr_grpo"),
    "dapo": grpo(DAPO, "dapo"),
    "gspo": grpo(GSPO, "grpo", importance_sampling_level="sequence"),
    "gspo-wide": grpo(replace(GSPO, clip_low=0.02, clip_high=0.03), "grpo", importance_sampling_level="sequence"),
    "cispo": grpo(CISPO, "cispo", epsilon_high=1 + CISPO.clip_high),  # TRL's bound is that of the weight itself
    "cispo-tight": grpo(replace(CISPO, clip_high=0.1), "cispo", epsilon_high=1.1),
    "rloo": Case(RLOO, {"epsilon": 0.2, "beta": 0.0}, trainer="rloo"),
    "rloo-tight": Case(replace(RLOO, clip_low=0.05, clip_high=0.05), {"epsilon": 0.05, "beta": 0.0}, trainer="rloo"),
    "entropy": grpo(replace(DAPO, entropy=EntropyBonus(0.1)), "dapo", entropy_coef=0.1),
    "entropy-grpo": grpo(replace(GRPO_R1, entropy=EntropyBonus(0.1)), "grpo", entropy_coef=0.1),
    "tis-token": grpo(corrected("token"), "grpo", ratio="token_truncate"),
    "tis-output": grpo(corrected("output"), "grpo", ratio="sequence_truncate"),
    "tis-token-mask": grpo(corrected("token-mask"), "grpo", ratio="token_mask"),
    "tis-output-mask": grpo(corrected("output-mask"), "grpo", ratio="sequence_mask"),
}


def noise(model: Any, ids: Tensor, mask: Tensor, completion: Tensor, generator: torch.Generator) -> Callable[[float], Tensor]:
    """``at(scale)``: the model's log-probabilities of the completions (B, LIMIT) with noise, 0 outside."""
    with torch.no_grad():
        logprobs = token_logprobs(model, ids, mask, completion)[0]
    rows = torch.zeros(ROWS, LIMIT)
    for b, (start, length) in enumerate(zip(PROMPT_LENGTHS, LENGTHS, strict=True)):
        rows[b, :length] = logprobs[b, start : start + length]
    inside = torch.arange(LIMIT)[None, :] < torch.tensor(LENGTHS)[:, None]
    return lambda scale: (rows + scale * torch.randn(rows.shape, generator=generator)).masked_fill(~inside, 0.0)


def tokens(generator: torch.Generator) -> tuple[list[Tensor], list[Tensor]]:
    def draw(lengths: tuple[int, ...]) -> list[Tensor]:
        return [torch.randint(20, 500, (n,), generator=generator) for n in lengths]

    return draw(PROMPT_LENGTHS), draw(LENGTHS)


def ours_rows(prompts: list[Tensor], completions: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, attention and completion mask with padding on the right."""
    width = PROMPT + LIMIT
    ids, attention = torch.zeros(ROWS, width, dtype=torch.long), torch.zeros(ROWS, width, dtype=torch.long)
    completion = torch.zeros(ROWS, width, dtype=torch.bool)
    for b, (prompt, answer) in enumerate(zip(prompts, completions, strict=True)):
        end = len(prompt) + len(answer)
        ids[b, :end], attention[b, :end] = torch.cat([prompt, answer]), 1
        completion[b, len(prompt) : end] = True
    return ids, attention, completion


def trl_batch(prompts: list[Tensor], completions: list[Tensor], at: Callable[[float], Tensor]) -> dict[str, Tensor]:
    """The same as TRL's trainer prepares it: prompts padded on the left, completions on the right, log-probabilities of completions."""

    def padded(rows: list[Tensor], width: int, left: bool) -> tuple[Tensor, Tensor]:
        ids, mask = torch.zeros(ROWS, width, dtype=torch.long), torch.zeros(ROWS, width, dtype=torch.long)
        for b, row in enumerate(rows):
            place = slice(width - len(row), width) if left else slice(0, len(row))
            ids[b, place], mask[b, place] = row, 1
        return ids, mask

    prompt_ids, prompt_mask = padded(prompts, PROMPT, left=True)
    completion_ids, completion_mask = padded(completions, LIMIT, left=False)
    return {
        "prompt_ids": prompt_ids,
        "prompt_mask": prompt_mask,
        "completion_ids": completion_ids,
        "completion_mask": completion_mask,
        "advantages": torch.tensor([1.5, -0.5, 0.7, -1.2, 0.3, -0.8]),
        "old_per_token_logps": at(0.2),
        "ref_per_token_logps": at(0.3),
        "sampling_per_token_logps": at(0.3),
    }


@pytest.fixture(scope="module")
def exchange(new_policy: Callable[..., Any], world_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """The folder with TRL's answers, our model, and the tokens."""
    folder, model, generator = tmp_path_factory.mktemp("trl"), new_policy(3), torch.Generator().manual_seed(0)
    with torch.no_grad():
        model.model.embed_tokens.weight.mul_(8)  # so that the distribution is far from uniform
    save_model(model, world_tokenizer, folder / "model")
    prompts, completions = tokens(generator)
    rows = ours_rows(prompts, completions)
    batch = trl_batch(prompts, completions, noise(model, *rows, generator))
    save_file({**batch, "limit": torch.tensor(LIMIT)}, folder / "batch.safetensors")
    cases = {name: {"trainer": c.trainer, "arguments": c.arguments, "ratio": c.ratio, "cap": CAP} for name, c in CASES.items()}
    (folder / "cases.json").write_text(json.dumps(cases), encoding="utf-8")
    script = str(Path(__file__).with_name("trl_losses.py"))
    done = subprocess.run([str(PYTHON), script, str(folder)], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, model, (rows, batch)


def place(values: Tensor, completion: Tensor) -> Tensor:
    """(B, LIMIT) of completions at their places in our rows."""
    found = torch.zeros(completion.shape)
    for b, length in enumerate(LENGTHS):
        found[b, completion[b]] = values[b, :length]
    return found


@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradient_equal_those_of_trl(name: str, exchange: tuple[Path, Any, Any]) -> None:
    folder, model, ((ids, attention, completion), given) = exchange
    algorithm = CASES[name].algorithm
    model.zero_grad()
    policy, entropies = token_logprobs(model, ids, attention, completion, entropy_gradient=algorithm.entropy is not None)
    batch = GrpoBatch(
        policy_logprobs_BT=policy,
        old_logprobs_BT=place(given["old_per_token_logps"], completion),
        reference_logprobs_BT=place(given["ref_per_token_logps"], completion),
        advantages_BT=given["advantages"][:, None].expand_as(policy),
        mask_BT=completion,
        behaviour_logprobs_BT=place(given["sampling_per_token_logps"], completion),
        entropies_BT=entropies,
    )
    got = grpo_loss(algorithm, batch, Denominators(ROWS, sum(LENGTHS), LIMIT))
    got.loss.backward()
    theirs = json.loads((folder / "losses.json").read_text(encoding="utf-8"))[name]
    gradients = load_file(folder / f"gradients-{name}.safetensors")
    ours = {key: parameter.grad for key, parameter in model.named_parameters()}
    assert ours.keys() == gradients.keys()
    size = max(gradient.abs().max().item() for gradient in gradients.values())
    worst = max((ours[key] - gradients[key]).abs().max().item() for key in ours) / size
    print(f"{name}: loss {got.loss.item():.7f}, TRL {theirs:.7f}; largest difference of gradients {worst:.1e}, {int(got.clipped)} clipped")
    assert size > 1e-4
    assert got.loss.item() == pytest.approx(theirs, rel=1e-5, abs=5e-6)  # float32 sums in another order
    assert worst < 2e-5
