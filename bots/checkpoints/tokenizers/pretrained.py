"""`from_pretrained` of transformers' tokenizers, with errors of one sentence."""

from pathlib import Path
from typing import Any

from bots.checkpoints.tokenizers.files import failure, read_pieces

_MAX_REASON = 300
"""Characters of a library's message that an error shows."""


def from_pretrained(reader: Any, folder: Path, **options: Any) -> Any:
    """The tokenizer that the class `reader` loads from `folder`. Raises LoadError."""
    try:
        return reader.from_pretrained(str(folder), **options)
    except Exception as error:  # the library tokenizers raises nothing narrower
        model = folder / "tokenizer.model"
        if model.is_file() and not (folder / "tokenizer.json").is_file():
            # transformers takes a damaged SentencePiece model for a file of tiktoken, and asks to
            # install that. Ours finds the damage.
            read_pieces(model)
        reason = " ".join(str(error).split())[:_MAX_REASON] or type(error).__name__
        raise failure(folder, reason.rstrip(".")) from error
