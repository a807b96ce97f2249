"""The decoder in C, for CPUs: the same results as `forward.py` and `sampling.py`, which are the reference."""
