from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="session")
def tiny_tokenizer() -> Any:
    """Of the bundled model: its tags are single tokens."""
    from dunwu.models.loading import load_tokenizer

    return load_tokenizer("tiny")


@pytest.fixture(scope="session")
def bytes_tokenizer() -> Any:
    """Tags and Chinese characters come in pieces."""
    from tests.serving.scripted import byte_tokenizer

    return byte_tokenizer()
