"""Runs untrusted programs: a model's programs are started only here. Imports no torch."""
