"""A run on disk and while it works: the directory, checkpoints, the lock, progress, interrupts."""
