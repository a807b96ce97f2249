"""What a run refuses because its rewards could not be had."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.load import load_config
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError, DataError
from dunwu.pipeline.checks import check_golds, check_run, longest_program, refuse_slow_programs
from dunwu.tasks.code_tests import Case, CodeTests
from dunwu.tasks.make import make_mixture
from dunwu.types import Problem


def maths(gold: str) -> Problem:
    return Problem("p1", "mine", "?", "math", answer=gold, data={"source": "rows.jsonl", "row": 7})


def test_a_gold_that_nothing_can_be_verified_against() -> None:
    check_golds([maths(r"\frac{1}{2}"), maths("(1, 2)")])
    with pytest.raises(DataError, match=r"row 7 of rows\.jsonl: .*remove the row"):
        check_golds([maths("1"), maths("proof")])


def test_a_program_must_run_out_of_its_own_time_before_the_reward_does() -> None:
    tests = CodeTests(mode="stdio", cases=(Case(input="1", expected="1"),))
    problems = [maths("1"), Problem("p2", "mine", "?", "code", data=tests.to_data())]
    assert longest_program(problems) == 10.0
    assert longest_program(problems[:1]) == 0.0
    with pytest.raises(ConfigError, match="reward_timeout = 5: a program of these tasks may take 10 s; set it to more, such as 15"):
        refuse_slow_programs(problems, ZeroConfig())
    refuse_slow_programs(problems, load_config(ZeroConfig, None, ["reward_timeout=15"]))


def test_a_prompt_that_fills_all_positions_leaves_nothing_to_set_max_tokens_to(
    new_policy: Callable[..., Any], world_tokenizer: Any, tmp_path: Path
) -> None:
    rows = [json.dumps({"problem": f"{n} {'word ' * 300}", "answer": "4"}) for n in range(3)]
    (tmp_path / "train.jsonl").write_text("\n".join(rows), encoding="utf-8")
    task = f"{{kind: dataset, path: {tmp_path}}}"
    config = load_config(ZeroConfig, None, [f"tasks=[{{task: {task}}}]", "evaluations=[]", "grpo.steps=1"])
    with pytest.raises(DataError, match=r"the prompt of \S+ has \d+ tokens, and the model 256 positions: drop the problem"):
        check_run(config, make_mixture(config.tasks), new_policy(0), world_tokenizer)
