"""Is it right? Deterministic checks of an answer. Imports no torch."""
