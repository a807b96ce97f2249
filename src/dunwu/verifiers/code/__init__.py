"""Programs: extract, run in the sandbox, judge."""

from dunwu.verifiers.code.verify import verify_code

__all__ = ["verify_code"]
