"""What a run leaves on disk and how it is held: the directory, checkpoints, the lock, progress, interrupts."""
