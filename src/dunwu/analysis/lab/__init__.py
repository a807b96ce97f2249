"""The laboratory: what the stored completions of a run say about how its model thinks. Imports no torch."""
