"""Any OpenAI-compatible endpoint as a model."""
