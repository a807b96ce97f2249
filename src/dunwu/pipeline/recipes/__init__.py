"""Bundled pipelines, each a function that returns a `Pipeline`."""
