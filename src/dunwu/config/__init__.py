"""Strict, frozen configuration. Imports no torch."""
