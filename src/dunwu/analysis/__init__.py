"""Curves and reports from run directories. Imports no torch."""
