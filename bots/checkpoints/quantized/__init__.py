"""Quantized weights: formats of files, and how they become layers of a model."""
