"""Losses and gradients of TRL's own trainers on a given batch. Run by TRL's interpreter: ``python trl_losses.py FOLDER``.

FOLDER holds ``model/`` (a Hugging Face folder), ``batch.safetensors`` and ``cases.json``: name -> {trainer, arguments, ratio, cap}.
Each case makes a real trainer and calls its ``compute_loss``; nothing of TRL is replaced. Written: ``losses.json`` and
``gradients-<name>.safetensors``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

TRAINERS = {"grpo": (GRPOTrainer, GRPOConfig), "rloo": (RLOOTrainer, RLOOConfig)}


def no_reward(completions: list[Any], **columns: Any) -> list[float]:
    """Never called: the advantages are given."""
    return [0.0] * len(completions)


def make_trainer(folder: Path, case: dict[str, Any], rows: int, limit: int) -> Any:
    """A trainer of one update a batch, in float32 on the CPU."""
    trainer_class, config_class = TRAINERS[case["trainer"]]
    arguments = config_class(
        output_dir=str(folder / "trl"),
        per_device_train_batch_size=rows,
        num_generations=2,
        gradient_accumulation_steps=1,
        max_completion_length=limit,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to=[],
        disable_tqdm=True,
        **case["arguments"],
    )
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    data = Dataset.from_dict({"prompt": ["a"] * rows})
    trainer = trainer_class(model=model, reward_funcs=no_reward, args=arguments, train_dataset=data, processing_class=tokenizer)
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    return trainer


def inputs_of(batch: dict[str, torch.Tensor], case: dict[str, Any], trainer: Any) -> dict[str, torch.Tensor]:
    """What the trainer would have prepared itself; the ratio of engine and trainer is made by its formula, as it needs a vLLM server."""
    old, mask = batch["old_per_token_logps"], batch["completion_mask"]
    inputs = {**batch, "num_items_in_batch": mask.sum(), "old_logps": (old * mask).sum(1)}
    if mode := case.get("ratio"):
        difference = (old - batch["sampling_per_token_logps"]) * mask
        difference = difference.sum(-1, keepdim=True) if mode.startswith("sequence") else difference
        cap, ratio = case["cap"], difference.exp()
        inputs["importance_sampling_ratio"] = ratio.clamp(max=cap) if mode.endswith("truncate") else ratio.masked_fill(ratio > cap, 0.0)
        trainer.use_vllm = trainer.vllm_importance_sampling_correction = True
    return inputs


def main(folder: Path) -> None:
    """Every case."""
    batch = load_file(folder / "batch.safetensors")
    limit = int(batch.pop("limit"))
    losses = {}
    for name, case in json.loads((folder / "cases.json").read_text(encoding="utf-8")).items():
        trainer = make_trainer(folder, case, len(batch["advantages"]), limit)
        loss = trainer.compute_loss(trainer.model, inputs_of(batch, case, trainer))
        loss.backward()
        losses[name] = loss.item()
        gradients = {key: parameter.grad.contiguous() for key, parameter in trainer.model.named_parameters() if parameter.grad is not None}
        save_file(gradients, folder / f"gradients-{name}.safetensors")
    (folder / "losses.json").write_text(json.dumps(losses), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
