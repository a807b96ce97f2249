"""Our SFT loss, gradients and metrics beside those of TRL's SFTTrainer on the same rows.

``DUNWU_TRL_PYTHON`` names the interpreter of an environment with TRL (it was written against 1.16). Each side renders, tokenises, masks and
batches by itself, in float32: TRL pads, we pack.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from dunwu.config.sft import SftConfig
from dunwu.data.io.chat_examples import encode_rows
from dunwu.models.chat import FORMATS, fitting_template
from dunwu.models.loading import load_model, save_model
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.tasks.rows import Row
from dunwu.trainers.sft import SftTrainer
from tests.models.tokenizers_of_kinds import SMOLLM2_MARKED, smollm2_like
from tests.peers.chat_rows import CHATS

PYTHON = os.environ.get("DUNWU_TRL_PYTHON")
pytestmark = pytest.mark.skipif(not PYTHON, reason="DUNWU_TRL_PYTHON is not set: no interpreter with TRL")

# Where a token would lie across the end of the prompt, TRL warns and learns it whole; we cut there, so these prompts end with a token.
PAIRS = [{"prompt": f"Use {n},3 to make {n + 3}:", "completion": " so" * (n % 5) + f" {n}+3={n + 3}"} for n in range(6)]
TALKS = [
    {
        "messages": [
            {"role": "user", "content": f"What is {n}+1?"},
            {"role": "assistant", "content": f"<think>{n}+1</think><answer>{n + 1}</answer>"},
            {"role": "user", "content": "用中文。"},
            {"role": "assistant", "content": f"答案是{n + 1}。" * (1 + n % 3)},
        ]
    }
    for n in range(6)
]
# What our template says is learned, in the way that TRL reads.
MARKED = FORMATS["tiny"].replace('{{ "Assistant:" }}{% if', '{{ "Assistant:" }}{% generation %}{% if')
MARKED = MARKED.replace("{{ eos_token }}", "{{ eos_token }}{% endgeneration %}")
CASES: dict[str, dict[str, Any]] = {
    "pairs": {"rows": PAIRS, "arguments": {"completion_only_loss": True}, "template": None},
    "talks": {"rows": TALKS, "arguments": {"assistant_only_loss": True}, "template": MARKED},
    "smollm2": {"rows": list(CHATS.values()), "arguments": {"assistant_only_loss": True}, "template": SMOLLM2_MARKED, "model": "smollm2"},
}
OURS = {"pairs": "plain", "talks": "tiny", "smollm2": "auto"}


@pytest.fixture(scope="module")
def theirs(new_policy: Callable[..., Any], world_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with TRL's answers."""
    folder: Path = tmp_path_factory.mktemp("trl")
    model = new_policy(3)
    with torch.no_grad():
        model.model.embed_tokens.weight.mul_(8)  # so that the distribution is far from uniform
    save_model(model, world_tokenizer, folder / "model")
    model.resize_token_embeddings(len(smollm2 := smollm2_like()))
    save_model(model, smollm2, folder / "smollm2")
    (folder / "cases.json").write_text(json.dumps(CASES), encoding="utf-8")
    script = str(Path(__file__).with_name("trl_sft.py"))
    done = subprocess.run([str(PYTHON), script, str(folder)], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("name", CASES)
def test_tokens_loss_gradient_and_metrics_equal_those_of_trl(name: str, theirs: Path) -> None:
    model, tokenizer = load_model(str(theirs / CASES[name].get("model", "model")))
    found = json.loads((theirs / "found.json").read_text(encoding="utf-8"))[name]
    rows = [Row(row, "rows", place, "unnamed") for place, row in enumerate(CASES[name]["rows"])]
    examples = list(encode_rows(rows, fitting_template(OURS[name], tokenizer), tokenizer))
    for one, ids, labels in zip(examples, found["ids"], found["labels"], strict=True):
        # TRL keeps what stands behind the last end token; nothing of it is learned.
        assert one.ids.tolist() == ids[: len(one.ids)]
        assert one.learned.tolist() == [label != -100 for label in labels[: len(one.ids)]]
        assert set(labels[len(one.ids) :]) <= {-100}

    config = SftConfig(data="rows", batch_size=len(rows), matmul_precision="float32", max_grad_norm=1e9, sample_every=1000, epochs=2)
    trainer = SftTrainer(config, model, tokenizer, TorchEngine(model, tokenizer, native=False), examples)
    totals = trainer._accumulate(examples)
    ours = {key: parameter.grad for key, parameter in model.named_parameters()}
    gradients = load_file(theirs / f"gradients-{name}.safetensors")
    assert ours.keys() == gradients.keys()
    size = max(gradient.abs().max().item() for gradient in gradients.values())
    worst = max((ours[key] - gradients[key]).abs().max().item() for key in ours) / size
    metrics = totals.metrics()
    print(f"{name}: loss {metrics['loss']:.7f}, TRL {found['loss']:.7f}; largest difference of gradients {worst:.1e}")
    assert size > 1e-4
    assert metrics["loss"] == pytest.approx(found["loss"], rel=1e-5)
    assert metrics["entropy"] == pytest.approx(found["entropy"], rel=1e-4)
    assert metrics["mean_token_accuracy"] == pytest.approx(found["mean_token_accuracy"], abs=1e-6)
    assert worst < 1e-5
