"""The built-in engine: plain torch on the trainer's own parameters."""
