"""MOSS: the byte-level BPE of GPT-2 and CodeGen, with MOSS's own tokens beside it."""

from pathlib import Path
from typing import Any

from transformers import GPT2Tokenizer

from bots.checkpoints.tokenizers.files import failure, read_lines, read_optional_json
from bots.checkpoints.tokenizers.special import special_tokens

_END = "<|endoftext|>"


def load(folder: Path) -> Any:
    """Load vocab.json, merges.txt and the files of special tokens. Raises LoadError.

    `<eoh>`, `<eom>` and the like are parsed from the text and swallow the white space around them:
    the newline that the prompt has after `<eoh>` becomes no token. Unlike the original, `decode`
    adds no blanks around them.
    """
    vocabulary = read_optional_json(folder / "vocab.json")
    if not vocabulary:
        raise failure(folder, "there is no vocab.json, or it is empty")
    merges = [
        tuple(line.split())
        for line in read_lines(folder / "merges.txt")
        if line and not line.startswith("#version")
    ]
    names = {"bos_token": _END, "eos_token": _END, "unk_token": _END}
    special = special_tokens(folder, vocabulary.get, len(vocabulary), names)
    try:
        tokenizer = GPT2Tokenizer(vocab=vocabulary, merges=merges, **special.options())
    except Exception as error:  # the library tokenizers raises nothing narrower
        raise failure(folder, f"vocab.json and merges.txt do not fit ({error})") from error
    for one, token in special.added.items():
        if tokenizer.convert_tokens_to_ids(token.content) != one:
            raise failure(folder, f"{token.content} cannot have the id {one}")
    return tokenizer
