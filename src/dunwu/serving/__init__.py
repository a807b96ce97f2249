"""The server of `dunwu serve`: an OpenAI-compatible HTTP API with the chain of thought open, and the engine in a process of its own."""
