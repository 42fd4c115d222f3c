"""Linear layers with weights in a layout of their own."""
