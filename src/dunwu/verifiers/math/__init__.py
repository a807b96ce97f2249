"""Maths answers: found, read, compared."""
