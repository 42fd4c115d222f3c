"""Quantized weights, from the files to packed layers."""
