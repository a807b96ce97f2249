"""Whole steps of TRL's GRPOTrainer, driven by `benchmarks.step`; runs in TRL's environment.

Given its best on one machine without a server: no gradient checkpointing, nothing logged or saved, fused AdamW, no reference model. The
model is in float32; with `bfloat16` training runs under autocast, which is TRL's own default.
"""

from __future__ import annotations

import os
import time
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from parity import parity
from talk import Answer, claim_stdout, orders, settings


class Turns:
    """A callback that holds every step until it is ordered and answers with its seconds, and the reward, which sees the tokens."""

    __name__ = "parity"

    def __init__(self, answer: Answer, given: dict[str, Any]) -> None:
        self._answer, self._orders, self._given = answer, orders(), given
        self._began = 0.0
        self._turn = self._tokens = 0

    def __call__(self, prompts: list[str], completions: list[str], completion_ids: list[list[int]], **_: Any) -> list[float]:
        count, every = self._given["prompts_per_step"], self._given["prompts"]
        first = self._turn * count % len(every)
        assert prompts[:: self._given["group"]] == every[first : first + count], "TRL has other prompts than we have"
        self._tokens = sum(map(len, completion_ids))
        return [parity(text) for text in completions]

    def begin(self) -> None:
        order = next(self._orders, None)
        if order is None:
            os._exit(0)  # the benchmark has closed the pipe; the trainer has no other way out before a step
        self._turn = order["turn"]
        self._began = time.perf_counter()

    def end(self) -> None:
        self._answer({"seconds": time.perf_counter() - self._began, "tokens": self._tokens})


def arguments(given: dict[str, Any]) -> Any:
    """The same trainer as ours: GRPO with one update a batch, no KL, group-normalised rewards."""
    from trl import GRPOConfig

    batch = given["prompts_per_step"] * given["group"]
    return GRPOConfig(
        output_dir="trl", use_cpu=given["device"] == "cpu", bf16=given["precision"] == "bfloat16", seed=0, max_steps=10**6,
        per_device_train_batch_size=min(given["trl_batch"], batch), gradient_accumulation_steps=max(1, batch // given["trl_batch"]),
        num_generations=given["group"], max_completion_length=given["tokens"], temperature=1.0, top_p=1.0, top_k=0,
        loss_type="grpo", scale_rewards="group", beta=0.0, epsilon=0.2, num_iterations=1, shuffle_dataset=False,
        learning_rate=given["learning_rate"], lr_scheduler_type="constant", optim="adamw_torch_fused", adam_beta2=0.95, weight_decay=0.0,
        max_grad_norm=1.0, gradient_checkpointing=False, report_to="none", logging_strategy="no", save_strategy="no", disable_tqdm=True,
    )  # fmt: skip


def train(given: dict[str, Any], answer: Answer) -> None:
    """Make the trainer, say that it is there, and train until the benchmark has enough."""
    import datasets
    import torch
    import transformers
    import trl

    torch.set_num_threads(given["threads"])
    turns = Turns(answer, given)

    class Callback(transformers.TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            turns.begin()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            turns.end()

    trainer = trl.GRPOTrainer(
        model=transformers.AutoModelForCausalLM.from_pretrained(given["model"], dtype=torch.float32),
        reward_funcs=turns,
        args=arguments(given),
        train_dataset=datasets.Dataset.from_dict({"prompt": given["prompts"]}),
        processing_class=transformers.PreTrainedTokenizerFast.from_pretrained(given["model"]),
        callbacks=[Callback()],
    )
    answer({"versions": {"trl": trl.__version__, "transformers of trl": transformers.__version__}})
    trainer.train()


def main() -> None:
    answer = claim_stdout()
    train(settings(), answer)


if __name__ == "__main__":
    main()
