"""Models that write: in this process, or behind an endpoint."""
