"""Trainers and what they share: the clock, the optimiser step, scoring, micro-batches."""
