"""Jobs as a graph of stages: their identity, their artefacts, and R1 as one such graph."""
