"""Models that judge: which answer is better, and which is right."""
