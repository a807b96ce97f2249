"""Other processes, and code that may fail: child processes, the one broad ``except``, custom functions."""
