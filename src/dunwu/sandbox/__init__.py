"""Runs untrusted programs: what a model wrote is started here, and nowhere else. Imports no torch."""
