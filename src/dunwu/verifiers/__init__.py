"""Deterministic checks of answers. Imports no torch."""
