"""Our distillation losses and gradients beside those of TRL on the same hidden states.

``DUNWU_TRL_PYTHON`` names the interpreter of an environment with TRL (it was written against 1.16). Three of its implementations: GKD over
all logits, the tiles of its DistillationTrainer, and the k tokens and tail of a teacher on a server. None has our factor T^2.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dunwu.algorithms.distillation import full_divergence, jensen_shannon, top_k, top_k_divergence
from dunwu.models.chunked_logits import logit_loss

PYTHON = os.environ.get("DUNWU_TRL_PYTHON")
pytestmark = pytest.mark.skipif(not PYTHON, reason="DUNWU_TRL_PYTHON is not set: no interpreter with TRL")

ROWS, TOKENS, WIDTH, TEACHER_WIDTH, VOCABULARY, K = 3, 8, 16, 24, 60, 5
CASES = {
    f"{function}-{beta}-{temperature}": {"function": function, "beta": beta, "temperature": temperature}
    for function in ("gkd", "chunked", "tail")
    for beta in (0.0, 0.1, 0.5, 1.0)
    for temperature in (1.0, 2.0)
}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Tensor]]:
    """The folder with TRL's answers, and the batch."""
    folder, generator = tmp_path_factory.mktemp("trl"), torch.Generator().manual_seed(0)
    shapes = {"student_hidden": (ROWS, TOKENS, WIDTH), "teacher_hidden": (ROWS, TOKENS, TEACHER_WIDTH)}
    shapes |= {"student_head": (VOCABULARY, WIDTH), "teacher_head": (VOCABULARY, TEACHER_WIDTH)}
    batch = {name: 0.6 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    batch["mask"] = torch.arange(TOKENS) < torch.tensor([[8], [5], [1]])
    batch["ids"] = (batch["teacher_hidden"] @ batch["teacher_head"].T).topk(K, dim=-1).indices
    save_file(batch, folder / "batch.safetensors")
    (folder / "cases.json").write_text(json.dumps(CASES), encoding="utf-8")
    script = str(Path(__file__).with_name("trl_distillation.py"))
    done = subprocess.run([str(PYTHON), script, str(folder)], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, batch


@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradients_equal_those_of_trl(name: str, exchange: tuple[Path, dict[str, Tensor]]) -> None:
    folder, batch = exchange
    beta, temperature = CASES[name]["beta"], CASES[name]["temperature"]
    assert isinstance(beta, float)
    assert isinstance(temperature, float)
    head, mask = nn.Linear(WIDTH, VOCABULARY, bias=False), batch["mask"]
    head.weight.data.copy_(batch["student_head"])
    hidden = batch["student_hidden"].clone().requires_grad_()
    teacher = batch["teacher_hidden"][mask] @ batch["teacher_head"].T
    stored = top_k(teacher, K, temperature)

    def measure(rows: slice, logits: Tensor) -> Tensor:
        if CASES[name]["function"] == "tail":
            return top_k_divergence(jensen_shannon(beta), logits, stored[rows])
        return full_divergence(jensen_shannon(beta), logits, teacher[rows], temperature)

    weights = torch.full((int(mask.sum()),), 1 / (int(mask.sum()) * temperature**2))
    loss, _ = logit_loss(head, hidden[mask], weights, measure, chunk=5)
    loss.backward()
    theirs = json.loads((folder / "losses.json").read_text(encoding="utf-8"))[name]
    gradients = load_file(folder / f"gradients-{name}.safetensors")
    assert hidden.grad is not None
    assert head.weight.grad is not None
    found = {"student_hidden": hidden.grad, "student_head": head.weight.grad}
    worst = max(float((found[key] - value).abs().max() / value.abs().max()) for key, value in gradients.items())
    print(f"{name}: loss {loss.item():.7f}, TRL {theirs:.7f}; largest difference of gradients {worst:.1e}")
    assert loss.item() == pytest.approx(theirs, rel=1e-5)
    assert worst < 1e-5
