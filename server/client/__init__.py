"""HTTP client of a worker, for the terminal commands."""
