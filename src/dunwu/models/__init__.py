"""Checkpoints in and out, log-probabilities, and the parsing of reasoning."""
