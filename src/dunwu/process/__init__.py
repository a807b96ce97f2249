"""Other processes, and code that may fail: children, the one broad ``except``, the user's own functions."""
