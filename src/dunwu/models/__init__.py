"""Loading and saving models, log-probabilities, and parsing of reasoning."""
