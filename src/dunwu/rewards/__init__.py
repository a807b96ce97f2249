"""What the learner gets for one rollout. Imports no torch."""
