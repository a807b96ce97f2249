"""Programs: extracted, run in the sandbox, judged."""

from dunwu.verifiers.code.verify import verify_code

__all__ = ["verify_code"]
