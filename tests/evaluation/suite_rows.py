"""Rows of a suite for tests, by what of them matters."""

from typing import Any

from dunwu.evaluation.suite import SuiteRow


def row(problem_id: str = "p", sample: int = 0, **changed: Any) -> SuiteRow:
    """A right, well-formed, wholly English completion unless ``changed``."""
    values: dict[str, Any] = {
        "problem_id": problem_id,
        "category": None,
        "text": "Say 1.",
        "language": "en",
        "sample": sample,
        "completion": "<think>one it is</think><answer>1</answer>",
        "tokens": 10,
        "finish_reason": "stop",
        "score": 1.0,
        "verdict": "correct",
        "well_formed": True,
        "summary": False,
        "repetition": 0.0,
        "thought_language": 1.0,
        "visible": "1",
        "refused": False,
        "judged": None,
    }
    return SuiteRow(**values | changed)
