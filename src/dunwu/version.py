"""The version, apart from `dunwu/__init__.py`, which names the whole library."""

VERSION = "0.1.0"
