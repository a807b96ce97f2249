"""Pipelines that Dunwu brings along, each a function that returns a `Pipeline`."""
