"""Rows of training data, read and written."""
