"""Trainers and what they share: the train loop, the optimiser step, scoring and micro-batches."""
