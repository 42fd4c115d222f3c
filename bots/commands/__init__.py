"""Work on model files: convert, add deltas, quantize, measure."""
