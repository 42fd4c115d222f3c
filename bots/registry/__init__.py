"""Which class serves a model."""
