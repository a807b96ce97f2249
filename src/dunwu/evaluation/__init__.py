"""Held-out evaluation: sessions, results, metrics."""
