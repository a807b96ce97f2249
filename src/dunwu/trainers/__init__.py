"""Trainers and what they share: run directories, checkpoints, resuming, interrupts, progress."""
