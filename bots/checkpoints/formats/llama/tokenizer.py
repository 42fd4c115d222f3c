"""A tokenizer.json whose tokenizer_config.json names a class that transformers lacks."""

from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from bots.checkpoints.tokenizers.pretrained import from_pretrained


def load_fast(folder: Path) -> Any:
    """The tokenizer of `folder`/tokenizer.json. Raises LoadError."""
    return from_pretrained(PreTrainedTokenizerFast, folder)
