"""The jobs: each takes a configuration and produces a finished directory."""
