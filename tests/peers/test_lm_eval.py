"""lm-evaluation-harness drives our server, on a task from a local file: the same greedy answers, the same accuracy, and its log is read.

Skipped where ``DUNWU_LM_EVAL_PYTHON`` names no interpreter that has it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dunwu.cli.main import main
from dunwu.evaluation.store import read_evaluation

HARNESS = os.environ.get("DUNWU_LM_EVAL_PYTHON")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HARNESS, reason="DUNWU_LM_EVAL_PYTHON names no interpreter that has lm-eval")]
TASK = r"""
task: say
dataset_path: json
dataset_kwargs: {data_files: {test: ROWS}}
test_split: test
output_type: generate_until
doc_to_text: "{{problem}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: [], do_sample: false, temperature: 0, max_gen_toks: 10}
filter_list:
  - name: number
    filter: [{function: regex, regex_pattern: "([0-9]+)", group_select: -1}, {function: take_first}]
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""


@contextmanager
def served(model: str) -> Iterator[str]:
    """The address of our server with a model."""
    command = [sys.executable, "-m", "dunwu.cli.main", "serve", model, "--port", "0", "--device", "cpu", "--threads", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout is not None
        try:
            yield next(found[0] for line in server.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        finally:
            server.terminate()


def harness(url: str, model: str, rows: Path, folder: Path) -> tuple[dict[str, Any], Path]:
    """The results of lm-eval, and its log of samples."""
    (folder / "say.yaml").write_text(TASK.replace("ROWS", json.dumps(str(rows))), encoding="utf-8")
    arguments = f"model={model},base_url={url}/chat/completions,num_concurrent=2,tokenized_requests=False"
    command = [str(HARNESS), "-m", "lm_eval", "--model", "local-chat-completions", "--model_args", arguments, "--tasks", "say"]
    command += ["--include_path", str(folder), "--apply_chat_template", "--log_samples", "--output_path", str(folder / "out")]
    quiet = {**os.environ, "OPENAI_API_KEY": "none", "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "cache"), "PYTHONPATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, env=quiet)
    assert done.returncode == 0, done.stderr[-3000:]
    (results,), (samples,) = list((folder / "out").rglob("results_*.json")), list((folder / "out").rglob("samples_*.jsonl"))
    return json.loads(results.read_text(encoding="utf-8"))["results"]["say"], samples


def test_the_same_accuracy_and_its_log_is_read(
    taught_base: str, say_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = say_data / "test.jsonl"
    with served(taught_base) as address:
        url, name = f"{address}/v1", Path(taught_base).name
        theirs, samples = harness(url, name, rows, tmp_path)
        asked = ["eval", name, "--endpoint", url, "--task", str(rows), "--samples", "1", "--temperature", "0", "--max-tokens", "10"]
        same = ["--answer-form", "last-number", "template=auto", "sampling.top_p=1.0", "--out", str(tmp_path / "ours"), "--json"]
        assert main([*asked, *same]) == 0
    ours = json.loads(capsys.readouterr().out)["summary"]
    assert ours["pass_at_1"] == theirs["exact_match,number"]
    assert 0 < ours["pass_at_1"] < 1
    said = {row["doc"]["problem"]: row["resps"][0][0] for row in map(json.loads, samples.read_text(encoding="utf-8").splitlines())}
    mine = read_evaluation(tmp_path / "ours" / "evaluation.parquet").rows
    assert said == {row.text: row.completion.rpartition("</think>")[2] for row in mine}  # its log has no reasoning
    columns = ["--problem-column", "doc.problem", "--answer-column", "target", "--completion-column", "resps.0.0"]
    columns += ["--label-column", "exact_match", "--answer-form", "last-number"]
    assert main(["eval", "--completions", str(samples), *columns, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["summary"]["pass_at_1"] == ours["pass_at_1"]
    assert found["agreement"]["disagreements"] == []
