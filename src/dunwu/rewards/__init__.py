"""Rewards of rollouts. Imports no torch."""
