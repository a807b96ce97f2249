"""Held-out evaluation: metrics, reflective words, what an evaluation holds."""
