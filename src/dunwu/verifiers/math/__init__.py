"""Maths answers: find, read, compare."""

from dunwu.verifiers.math.verify import check_gold, compare_math, reads_as_text, verify_math

__all__ = ["check_gold", "compare_math", "reads_as_text", "verify_math"]
