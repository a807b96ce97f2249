"""Ours beside the peers', in one run: ``python -m benchmarks`` (all of it), or ``python -m benchmarks.engine`` and the like."""
