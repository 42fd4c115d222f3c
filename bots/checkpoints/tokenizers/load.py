"""Which tokenizer reads which folder."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from bots.checkpoints.formats.chatglm.tokenizer import (
    ChatGLM2Tokenizer,
    ChatGLM3Tokenizer,
    ChatGLMTokenizer,
)
from bots.checkpoints.formats.glm.weights import is_version_3
from bots.checkpoints.formats.moss import tokenizer as moss
from bots.checkpoints.tokenizers.export import READER
from bots.checkpoints.tokenizers.files import VOCABULARIES, failure, read_json, read_pieces
from bots.checkpoints.tokenizers.pieces import LlamaPiecesTokenizer
from bots.errors import LoadError

_log = logging.getLogger(__name__)

_MAX_REASON = 300
_MISNAMED = "LLaMATokenizer"
"""What the first conversions of LLaMA called its class; transformers knows no such name, and
takes another class without a word."""
_LLAMA = (_MISNAMED, "LlamaTokenizer", "LlamaTokenizerFast", None)
_ALWAYS_PIECES = ("spiece.model", "sentencepiece.bpe.model")
_INTERNLM2 = ("InternLM2Tokenizer", "InternLM2TokenizerFast")


def load_tokenizer(
    folder: Path, config: Mapping[str, Any], family: str | None = None, **options: Any
) -> Any:
    """The tokenizer of a model, a `PreTrainedTokenizerBase`, without code of the checkpoint.

    `folder` has the tokenizer's files, `config` is the model's config.json, `family` the
    operator's choice (a key of MODEL_DICT). What is not one of the special formats is read by
    `AutoTokenizer`, which gets `options` (`trust_remote_code`, which is off unless given).
    Padding is on the left unless the model is an encoder-decoder. Raises LoadError.
    """
    load = special(folder, config, family)
    tokenizer = load(folder) if load else _auto(folder, options)
    if not config.get("is_encoder_decoder"):
        tokenizer.padding_side = "left"
    check_vocabulary(tokenizer, config)
    return tokenizer


def check_vocabulary(tokenizer: Any, config: Mapping[str, Any]) -> None:
    """Raise LoadError where the tokenizer cannot be that of the model with this config.json.

    It may have fewer tokens than the model has embeddings, never more, but for a padding token,
    which some repositories add and no prompt has. ChatGLM-6B's control tokens must have the ids
    that the config says: its first files had other ones.
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
    for name, one in tokenizer.get_added_vocab().items():
        if one >= rows and name != tokenizer.pad_token:
            raise LoadError(
                f"The tokenizer's {name} has the id {one}, but the model has only {rows} tokens:"
                " they belong to different models."
            )
    if isinstance(tokenizer, ChatGLMTokenizer):
        for name in ("bos_token_id", "eos_token_id", "pad_token_id", "gmask_token_id"):
            one = getattr(tokenizer, name)
            if config.get(name, one) != one:
                raise LoadError(
                    f"config.json says {name} {config[name]}, ice_text.model says {one}: they"
                    " belong to different versions of ChatGLM-6B."
                )


def special(
    folder: Path, config: Mapping[str, Any], family: str | None
) -> Callable[[Path], Any] | None:
    """The loader of a format that transformers reads wrongly or not at all, None for others."""
    if not folder.is_dir():
        return None
    declared = read_json(folder / "tokenizer_config.json")
    kind, name = config.get("model_type"), declared.get(READER, declared.get("tokenizer_class"))
    if kind == "moss" or name == "MossTokenizer":
        return moss.load
    if kind == "chatglm" and "padded_vocab_size" not in config:
        return ChatGLMTokenizer.load
    if kind == "chatglm" or (kind == "glm" and name == "ChatGLMTokenizer"):
        named = {"_name_or_path": declared.get("name_or_path"), **config}
        return (ChatGLM3Tokenizer if is_version_3(named, family) else ChatGLM2Tokenizer).load
    fast = (folder / "tokenizer.json").is_file()
    pieces = (folder / "tokenizer.model").is_file()
    if (kind == "internlm2" or name in _INTERNLM2) and (pieces or not fast):
        return LlamaPiecesTokenizer.load
    if kind == "llama" and name in _LLAMA and declared.get("legacy") is not False:
        chosen = family not in (None, "auto")
        if pieces and (not fast or chosen or name == _MISNAMED):
            return LlamaPiecesTokenizer.load
        if fast and name == _MISNAMED:
            return lambda folder: _told(PreTrainedTokenizerFast, folder, {})
    return None


def _auto(folder: Path, options: Mapping[str, Any]) -> Any:
    if folder.is_dir() and not any(
        found for pattern in VOCABULARIES for found in folder.glob(pattern)
    ):
        raise failure(folder, "the folder has no vocabulary, such as tokenizer.json")
    if not (folder / "tokenizer.json").is_file():
        for name in _ALWAYS_PIECES:
            if (folder / name).is_file():
                read_pieces(folder / name)
    if options.get("trust_remote_code"):
        code = read_json(folder / "tokenizer_config.json").get("auto_map")
        if code:
            _log.warning("running code of the tokenizer %s: %s", folder, code)
    return _told(AutoTokenizer, folder, {"trust_remote_code": False, **options})


def _told(reader: Any, folder: Path, options: Mapping[str, Any]) -> Any:
    """`from_pretrained`, with one clear sentence for whatever it says about files it cannot read.

    It takes a damaged tokenizer.model for another kind of file and asks for `tiktoken`.
    """
    try:
        return reader.from_pretrained(str(folder), **options)
    except Exception as error:  # tokenizers raises nothing narrower
        model = folder / "tokenizer.model"
        if model.is_file() and not (folder / "tokenizer.json").is_file():
            read_pieces(model)
        reason = " ".join(str(error).split())[:_MAX_REASON] or type(error).__name__
        raise failure(folder, reason.rstrip(".")) from error
