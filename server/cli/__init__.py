"""The command line: serve a model, run a zoo, chat, compare, list families, write model files."""
