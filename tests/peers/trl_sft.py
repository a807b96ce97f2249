"""Losses, gradients and metrics of TRL's SFTTrainer on given rows. Run by TRL's interpreter: ``python trl_sft.py FOLDER``.

FOLDER holds Hugging Face folders and ``cases.json``: name -> {rows, arguments, template, model (a folder; default ``model``)}. TRL renders,
tokenises, masks, collates and computes by itself. Written: ``found.json`` (name -> loss, entropy, mean_token_accuracy, and the rows' ids
and labels) and ``gradients-<name>.safetensors``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer


def make_trainer(folder: Path, case: dict[str, Any]) -> Any:
    """A trainer in float32 on the CPU."""
    arguments = SFTConfig(
        output_dir=str(folder / "trl"),
        per_device_train_batch_size=len(case["rows"]),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to=[],
        disable_tqdm=True,
        max_length=None,
        **case["arguments"],
    )
    source = folder / case.get("model", "model")
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(source)
    tokenizer.chat_template = case["template"]
    return SFTTrainer(model=model, args=arguments, train_dataset=Dataset.from_list(case["rows"]), processing_class=tokenizer)


def main(folder: Path) -> None:
    """Every case."""
    found = {}
    for name, case in json.loads((folder / "cases.json").read_text(encoding="utf-8")).items():
        trainer = make_trainer(folder, case)
        trainer.model.train()
        rows = [dict(row) for row in trainer.train_dataset]
        loss = trainer.compute_loss(trainer.model, trainer.data_collator(rows))
        loss.backward()
        metrics = {key: values[0] for key, values in trainer._metrics["train"].items()}
        found[name] = {"loss": loss.item(), **metrics, "ids": [r["input_ids"] for r in rows], "labels": [r["labels"] for r in rows]}
        gradients = {key: parameter.grad.contiguous() for key, parameter in trainer.model.named_parameters() if parameter.grad is not None}
        save_file(gradients, folder / f"gradients-{name}.safetensors")
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
