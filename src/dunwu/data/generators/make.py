"""From a configuration to its generator."""

from __future__ import annotations

from typing import assert_never

from dunwu.config.data import EndpointGenerator, GeneratorConfig, LocalGenerator, OwnGenerator
from dunwu.data.generators.base import Generator, Scripted
from dunwu.data.generators.endpoint import Endpoint
from dunwu.data.generators.local import Local
from dunwu.process.own_code import load_function


def make_generator(config: GeneratorConfig) -> Generator:
    """The generator for ``config``; its model is loaded at the first request."""
    match config:
        case LocalGenerator():
            return Local(config)
        case EndpointGenerator():
            return Endpoint(config)
        case OwnGenerator():
            return Scripted(load_function(config.function), config.function)
        case _:
            assert_never(config)
