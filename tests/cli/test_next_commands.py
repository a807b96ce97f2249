"""What surrounds a run: how threads wait, and what is printed after the end."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from dunwu.cli.explain_command import lineage
from dunwu.cli.zero_command import next_commands
from dunwu.config.load import load_config
from dunwu.config.recipes import bundled_recipes
from dunwu.config.tasks import task_name
from dunwu.config.zero import EvalConfig, ZeroConfig
from dunwu.run.checkpoint import save_checkpoint
from tests.config.named_task import parse_task


def test_threads_are_told_not_to_spin_before_torch_can_be_loaded_and_the_users_word_stays() -> None:
    program = "import os, sys, dunwu; assert 'torch' not in sys.modules; print(os.environ['GOMP_SPINCOUNT'])"
    clean = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    for given, expected in (({}, "20000"), ({"GOMP_SPINCOUNT": "7"}, "7")):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=clean | given)
        assert done.stdout.strip() == expected


def test_a_finished_run_tells_next_commands() -> None:
    config = load_config(ZeroConfig, None, ["grpo.steps=7"], {})
    first, second = next_commands(config, Path("runs/a b"))
    assert first.endswith("eval --model 'runs/a b/checkpoints/step-000007' --task countdown --samples 16 --max-tokens 400")
    assert second.endswith("explain 'runs/a b/checkpoints/step-000007'")
    for text in ("countdown", "game24", "arithmetic", "gsm8k", "reasoning-gym:leg_counting", "owner/name"):
        assert task_name(parse_task(text)) == text


def test_the_grade_of_a_data_set_is_in_the_next_command() -> None:
    config = load_config(ZeroConfig, bundled_recipes()["smollm2-135m/zero"], ["model=tiny"])
    words = shlex.split(next_commands(config, Path("runs/a"))[0])
    keys = words[words.index("--task") : words.index("--samples")] + [word for word in words if word.startswith("task.")]
    assert keys[1] == "reasoning-gym:chain_sum"
    assert load_config(EvalConfig, None, keys[2:], {"task": keys[1]}).task.parameters == config.tasks[0].task.parameters


def test_a_copy_of_a_checkpoint_under_another_name_is_whole_and_values_are_short(tmp_path: Path) -> None:
    step = save_checkpoint(tmp_path / "run" / "checkpoints", 9, lambda place: (place / "config.json").write_bytes(b"{}") and None, keep=1)
    copy = tmp_path / "mine"
    shutil.copytree(step, copy)
    assert any("valid: " in line for line in lineage(str(copy)))
    wrong = step.rename(step.with_name("step-000008"))
    assert any("CORRUPT" in line for line in lineage(str(wrong)))
    (tmp_path / "run" / "config.yaml").write_text("seed: 1\n", encoding="utf-8")
    (tmp_path / "run" / "manifest.json").write_text(json.dumps({"config_hash": "ab" * 32, "x": {"y": 1.98036282}}), encoding="utf-8")
    lines = [line.strip() for line in lineage(str(tmp_path / "run"))]
    assert "config_hash: abababababab" in lines
    assert "x: y 1.98" in lines
