"""Programs: extracted, run in the sandbox, judged."""
