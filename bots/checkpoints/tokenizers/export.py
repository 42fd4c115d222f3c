"""Write a tokenizer as tokenizer.json, which other tools read without code of the checkpoint."""

import re
from collections.abc import Mapping
from typing import Any

from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing

from bots.checkpoints.tokenizers.pieces import PiecesTokenizer
from bots.registry.formats import ORIGINAL_TOKENIZER

_BLANK = "▁"
_BPE = 2
_UNKNOWN, _USER_DEFINED = 2, 4
"""Kinds of pieces."""


def exported(tokenizer: Any) -> str:
    """The text of a tokenizer.json that gives a text the same ids.

    `tokenizer` is one of transformers' on `tokenizers`, or a PiecesTokenizer.
    """
    if not isinstance(tokenizer, PiecesTokenizer):
        return str(tokenizer.backend_tokenizer.to_str(pretty=True))
    return str(_fast(tokenizer).to_str(pretty=True))


def declared(tokenizer: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """The tokenizer_config.json beside it; `config` is the original's."""
    added = tokenizer.added_tokens_decoder
    # Token names that only the original's class has would be read as additional special tokens.
    kept = {
        name: value
        for name, value in config.items()
        if not name.endswith("_token") or isinstance(value, bool)
    }
    return {
        **kept,
        **{name: str(token) for name, token in tokenizer.special_tokens_map.items()},
        ORIGINAL_TOKENIZER: config.get("tokenizer_class"),
        "tokenizer_class": "PreTrainedTokenizerFast",
        "padding_side": tokenizer.padding_side,
        "split_special_tokens": tokenizer.split_special_tokens,
        "added_tokens_decoder": {str(number): _flags(added[number]) for number in sorted(added)},
    }


def _flags(token: AddedToken) -> dict[str, Any]:
    names = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")
    return {name: getattr(token, name) for name in names}


def _fast(tokenizer: PiecesTokenizer) -> Tokenizer:
    added = tokenizer.added_tokens_decoder
    proto = sentencepiece_model_pb2.ModelProto  # type: ignore[attr-defined]
    model = proto.FromString(tokenizer.pieces.serialized_model_proto())
    whole = [piece.piece for piece in model.pieces if piece.type == _USER_DEFINED]
    fast = Tokenizer(
        _model(model, {number: token.content for number, token in added.items()}, whole)
    )
    fast.normalizer = _normalizer(tokenizer, model.normalizer_spec)
    if whole:  # the others are not merged across these
        longest = sorted(map(re.escape, whole), key=len, reverse=True)
        fast.pre_tokenizer = pre_tokenizers.Split(Regex("|".join(longest)), "isolated")
    fast.decoder = _decoder(tokenizer, blank=model.normalizer_spec.add_dummy_prefix)
    for number in sorted(added):
        fast.add_tokens([added[number]])
    fast.post_processor = _template(tokenizer)
    return fast


def _model(model: Any, added: Mapping[int, str], whole: list[str]) -> models.Model:
    """BPE or Unigram, with added tokens under their given names."""
    names = {**{number: piece.piece for number, piece in enumerate(model.pieces)}, **added}
    unknown = next(n for n, piece in enumerate(model.pieces) if piece.type == _UNKNOWN)
    fallback = model.trainer_spec.byte_fallback
    if model.trainer_spec.model_type != _BPE:
        scores = [(names[n], piece.score) for n, piece in enumerate(model.pieces)]
        return models.Unigram(scores, unk_id=unknown, byte_fallback=fallback)
    return models.BPE(
        vocab={name: number for number, name in names.items()},
        merges=_merges(model),
        unk_token=names[unknown],
        fuse_unk=True,
        byte_fallback=fallback,
        ignore_merges=bool(whole),
    )


def _merges(model: Any) -> list[tuple[str, str]]:
    """Every way to make a piece of two others, the best pieces first, as SentencePiece merges."""
    ranks = {piece.piece: n for n, piece in enumerate(model.pieces) if piece.type == 1}
    best = sorted(ranks, key=lambda name: (-model.pieces[ranks[name]].score, ranks[name]))
    return [
        (name[:cut], name[cut:])
        for name in best
        for cut in range(1, len(name))
        if name[:cut] in ranks and name[cut:] in ranks
    ]


def _normalizer(tokenizer: PiecesTokenizer, spec: Any) -> normalizers.Normalizer:
    steps: list[normalizers.Normalizer] = [
        normalizers.Replace(white, name) for name, white in tokenizer.white_space_tokens.items()
    ]
    if spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(spec.precompiled_charsmap))
    if spec.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    if spec.add_dummy_prefix:
        steps.append(normalizers.Prepend(_BLANK))
    return normalizers.Sequence([*steps, normalizers.Replace(" ", _BLANK)])


def _decoder(tokenizer: PiecesTokenizer, *, blank: bool) -> decoders.Decoder:
    steps: list[decoders.Decoder] = [
        decoders.Replace(name, white) for name, white in tokenizer.white_space_tokens.items()
    ]
    steps += [decoders.Replace(_BLANK, " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if blank else steps)


def _template(tokenizer: PiecesTokenizer) -> TemplateProcessing:
    """The special tokens around a text and around a pair."""
    first, second = -1, -2  # ids that no token has
    shapes = [
        tokenizer.build_inputs_with_special_tokens([first]),
        tokenizer.build_inputs_with_special_tokens([first], [second]),
    ]
    named = {number: _name(tokenizer, number) for ids in shapes for number in ids if number >= 0}
    texts = {first: "$A", second: "$B"}
    single, pair = ([texts.get(number) or named[number] for number in ids] for ids in shapes)
    return TemplateProcessing(
        single=single, pair=pair, special_tokens=[(name, number) for number, name in named.items()]
    )


def _name(tokenizer: PiecesTokenizer, number: int) -> str:
    added = tokenizer.added_tokens_decoder
    pieces: SentencePieceProcessor = tokenizer.pieces
    return str(added[number].content if number in added else pieces.id_to_piece(number))
