"""Judges: models that decide which answer is better, and whether an answer is correct."""
