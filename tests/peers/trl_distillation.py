"""Distillation losses of TRL and their gradients on given hidden states. Run by TRL's interpreter: ``python trl_distillation.py FOLDER``.

FOLDER holds ``batch.safetensors`` (hidden states and output layers of both models, a mask, the teacher's k tokens) and ``cases.json``:
name -> {function, beta, temperature}. Written: ``losses.json`` and ``gradients-<name>.safetensors``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from trl.experimental.gkd import GKDTrainer
from trl.experimental.server_distillation.server_distillation_trainer import _add_tail_bucket, _jsd_divergence
from trl.trainer.distillation_trainer import _chunked_divergence_loss

Batch = dict[str, torch.Tensor]


def gkd(batch: Batch, beta: float, temperature: float) -> Any:
    """Over all logits."""
    labels = torch.where(batch["mask"], 0, -100)
    logits = (batch[f"{side}_hidden"] @ batch[f"{side}_head"].T for side in ("student", "teacher"))
    return GKDTrainer.generalized_jsd_loss(*logits, labels, beta, temperature)


def chunked(batch: Batch, beta: float, temperature: float) -> Any:
    """As its DistillationTrainer: tile by tile, from hidden states."""
    states = (batch[f"{side}_{part}"] for part in ("hidden", "head") for side in ("student", "teacher"))
    return _chunked_divergence_loss(*states, batch["mask"], beta, temperature=temperature)[0]


def tail(batch: Batch, beta: float, temperature: float) -> Any:
    """As its trainer with a teacher on a server: the teacher's k tokens and a bucket for the tail."""
    valid = torch.ones_like(batch["ids"], dtype=torch.bool)
    sides = []
    for side in ("student", "teacher"):
        logprobs = (batch[f"{side}_hidden"] @ batch[f"{side}_head"].T / temperature).log_softmax(-1)
        buckets, support = _add_tail_bucket(logprobs.gather(-1, batch["ids"]), valid)
        sides.append(buckets)
    return _jsd_divergence(*sides, beta, support)[batch["mask"]].sum() / batch["mask"].sum()


def main(folder: Path) -> None:
    """Every case."""
    losses = {}
    for name, case in json.loads((folder / "cases.json").read_text(encoding="utf-8")).items():
        batch = load_file(folder / "batch.safetensors")
        inputs = {key: batch[key].requires_grad_() for key in ("student_hidden", "student_head")}
        loss = globals()[case.pop("function")](batch, **case)
        loss.backward()
        losses[name] = loss.item()
        save_file({key: value.grad for key, value in inputs.items()}, folder / f"gradients-{name}.safetensors")
    (folder / "losses.json").write_text(json.dumps(losses), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
