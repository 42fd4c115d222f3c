"""Load a model's tokenizer from its original files, without code of the checkpoint."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from bots.checkpoints.tokenizers.files import VOCABULARIES, failure, read_optional_json, read_pieces
from bots.checkpoints.tokenizers.pieces import PiecesTokenizer
from bots.checkpoints.tokenizers.pretrained import from_pretrained
from bots.errors import LoadError
from bots.registry.formats import TokenizerFiles, all_formats, load_function

_log = logging.getLogger(__name__)

_ALWAYS_PIECES = ("spiece.model", "sentencepiece.bpe.model")
"""Names that only SentencePiece models have; `tokenizer.model` may be of another library."""


def load_tokenizer(
    folder: Path, config: Mapping[str, Any], family: str | None = None, **options: Any
) -> Any:
    """Load the tokenizer of a model: a `PreTrainedTokenizerBase`.

    `folder` has the tokenizer's files, `config` is the model's config.json, `family` the
    operator's choice (a key of MODEL_DICT). Files of no original format are read by
    `AutoTokenizer`, which gets `options` (`trust_remote_code`, off by default). Padding is on the
    left unless the model is an encoder-decoder. Raises LoadError.
    """
    load = find_tokenizer(folder, config, family)
    tokenizer = load(folder) if load else _auto(folder, options)
    if not config.get("is_encoder_decoder"):
        tokenizer.padding_side = "left"
    check_vocabulary(tokenizer, config)
    return tokenizer


def find_tokenizer(
    folder: Path, config: Mapping[str, Any], family: str | None
) -> Callable[[Path], Any] | None:
    """The function that loads a tokenizer which transformers reads wrongly or not at all.

    None where `AutoTokenizer` reads it, as for a hub id.
    """
    if not folder.is_dir():
        return None
    declared = read_optional_json(folder / "tokenizer_config.json")
    files = TokenizerFiles(folder, config, declared, family)
    for known in all_formats():
        if known.tokenizer and (spec := known.tokenizer(files)):
            return load_function(spec)
    return None


def check_vocabulary(tokenizer: Any, config: Mapping[str, Any]) -> None:
    """Raise LoadError where the tokenizer cannot be that of the model with this config.json.

    It may have fewer tokens than the model has embeddings, never more. The one exception is a
    padding token: some repositories add one beyond the embeddings, and no prompt contains it.
    """
    text = config.get("text_config") or config
    rows = text.get("padded_vocab_size") or text.get("vocab_size")
    if rows is None:
        return
    if tokenizer.vocab_size > rows:
        raise LoadError(
            f"The tokenizer has {tokenizer.vocab_size} tokens and the model only {rows}:"
            " they belong to different models."
        )
    for name, number in tokenizer.get_added_vocab().items():
        if number >= rows and name != tokenizer.pad_token:
            raise LoadError(
                f"The tokenizer's {name} has the id {number}, but the model has only {rows} tokens:"
                " they belong to different models."
            )
    if isinstance(tokenizer, PiecesTokenizer):
        tokenizer.check_config(config)


def _auto(folder: Path, options: Mapping[str, Any]) -> Any:
    # Without a vocabulary transformers makes an empty tokenizer and raises nothing.
    if folder.is_dir() and not any(
        path for pattern in VOCABULARIES for path in folder.glob(pattern)
    ):
        raise failure(folder, "the folder has no vocabulary, such as tokenizer.json")
    if not (folder / "tokenizer.json").is_file():
        for name in _ALWAYS_PIECES:
            if (folder / name).is_file():
                read_pieces(folder / name)  # raises where the file is damaged
    if options.get("trust_remote_code"):
        code = read_optional_json(folder / "tokenizer_config.json").get("auto_map")
        if code:
            _log.warning("running code of the tokenizer %s: %s", folder, code)
    return from_pretrained(AutoTokenizer, folder, **{"trust_remote_code": False, **options})
