"""Tokenizers from a model's original files, without code of the checkpoint."""

from bots.checkpoints.tokenizers.load import check_vocabulary, load_tokenizer

__all__ = ["check_vocabulary", "load_tokenizer"]
