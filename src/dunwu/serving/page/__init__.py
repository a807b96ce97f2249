"""The chat page: its files, and the one way in which text of a model becomes HTML."""
