"""A run directory becomes curves and a report. Imports no torch."""
