"""Original checkpoint formats, one folder each."""
