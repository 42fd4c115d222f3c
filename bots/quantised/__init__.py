"""Linear layers whose weights stay packed in memory: no files, no architectures."""
