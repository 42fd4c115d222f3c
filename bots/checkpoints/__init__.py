"""Original files of a model to native modules: tokenizers and weights."""
