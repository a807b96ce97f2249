"""The `dunwu` command: thin, every import below the command that needs it."""
