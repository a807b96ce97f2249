"""Sources of problems, how their prompts are written, and what keeps training and test apart."""
