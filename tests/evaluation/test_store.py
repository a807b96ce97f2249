"""An evaluation on disk is the evaluation."""

import pytest

from dunwu.errors import DataError, RunError
from dunwu.evaluation.result import EvaluationResult, EvaluationRow
from dunwu.evaluation.store import read_evaluation, write_evaluation


def make_row(**changes):
    values = {
        "problem_id": "p0",
        "text": "用1,2算出3。",
        "language": "zh",
        "difficulty": None,
        "human_seconds": 4.5,
        "sample": 0,
        "completion": "等等\x00\u202e<script>",
        "thinking_tokens": 3,
        "tokens": 7,
        "finish_reason": "length",
        "score": None,
        "verdict": "timeout",
        "reflections": 1,
        "answer": None,
        "vote": None,
    }
    return EvaluationRow(**values | changes)


def test_what_is_written_is_read(tmp_path):
    result = EvaluationResult("game24", 16, (make_row(), make_row(sample=1, score=1.0, verdict="correct", answer="1+2", vote="1+2")))
    path = tmp_path / "evaluations" / "after-game24.parquet"
    write_evaluation(path, result)
    assert read_evaluation(path) == result
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_no_rows_are_a_result_too(tmp_path):
    write_evaluation(tmp_path / "e.parquet", EvaluationResult("x", 4, ()))
    assert read_evaluation(tmp_path / "e.parquet") == EvaluationResult("x", 4, ())


def test_a_lone_surrogate_does_not_stop_the_run(tmp_path):
    write_evaluation(tmp_path / "e.parquet", EvaluationResult("x", 1, (make_row(completion="a\ud800b"),)))
    assert read_evaluation(tmp_path / "e.parquet").rows[0].completion == "a?b"


def test_a_torn_file_is_one_clear_line(tmp_path):
    path = tmp_path / "e.parquet"
    write_evaluation(path, EvaluationResult("x", 1, (make_row(),)))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"e\.parquet cannot be read .* wrote"):
        read_evaluation(path)
    with pytest.raises(DataError):
        read_evaluation(tmp_path / "none.parquet")


def test_another_tools_table_is_no_evaluation(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(DataError, match="other"):
        read_evaluation(tmp_path / "other.parquet")


def test_a_failed_write_is_one_line_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "e.parquet"
    path.mkdir()
    with pytest.raises(RunError, match=r"e\.parquet cannot be written"):
        write_evaluation(path, EvaluationResult("x", 1, (make_row(),)))
    assert [found.name for found in tmp_path.iterdir()] == ["e.parquet"]
