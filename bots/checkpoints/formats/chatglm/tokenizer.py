"""The tokenizer of ChatGLM-6B, on the files of THUDM's repository."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tokenizers import AddedToken

from bots.checkpoints.tokenizers.files import failure, read_pieces
from bots.checkpoints.tokenizers.pieces import PiecesTokenizer
from bots.errors import LoadError

_NAMED = {
    "bos_token": "<sop>",
    "eos_token": "<eop>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "[MASK]",
}
_OTHER = ("[gMASK]", "[sMASK]", "<unused_0>", "<ENC>", "<dBLOCK>")
WHITE_SPACE = {
    "<n>": "\n",
    "<|tab|>": "\t",
    **{f"<|blank_{size}|>": " " * size for size in range(80, 1, -1)},
}
"""Tokens that stand for white space. The order is that of replacement: the longest run first."""


class ChatGLMTokenizer(PiecesTokenizer):
    """Ids of a text: the text, `[gMASK]`, `<sop>`; of a pair also the second text and `<eop>`.

    Newlines, tabs and runs of 2 to 80 blanks have tokens of their own. As in the original, special
    tokens are parsed from the text. Padding is on the left; the model computes its two rows of
    positions and its mask from the ids. `decode` can skip all control tokens; the original never
    skipped `[gMASK]`.
    """

    white_space_tokens = WHITE_SPACE

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load `folder`/ice_text.model. Raises LoadError."""
        pieces = read_pieces(folder / "ice_text.model")
        for name in (*_NAMED.values(), "[gMASK]", *WHITE_SPACE):
            if pieces.id_to_piece(pieces.piece_to_id(name)) != name:
                raise failure(folder, f"ice_text.model has no {name}, so it is not ChatGLM-6B's")
        added = {
            pieces.piece_to_id(name): AddedToken(name, lstrip=True, rstrip=True, special=True)
            for name in _NAMED.values()
        }
        return cls(pieces, added_tokens_decoder=added, **_NAMED)

    def __init__(self, pieces: Any, **options: Any) -> None:
        super().__init__(pieces, **options)
        self.gmask_token_id = pieces.piece_to_id("[gMASK]")
        for number in map(pieces.piece_to_id, _OTHER):
            self._shown[number] = pieces.id_to_piece(number)
            self._hidden.add(number)
        for name, text in WHITE_SPACE.items():
            self._shown[pieces.piece_to_id(name)] = text

    def _tokenize(self, text: str, **_: Any) -> list[str]:
        for name, white in WHITE_SPACE.items():
            text = text.replace(white, name)
        return super()._tokenize(text)

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Return the text, `[gMASK]`, `<sop>`, and for a pair the second text, `<eop>`."""
        ids = [*token_ids_0, self.gmask_token_id, self.bos_token_id]
        return ids if token_ids_1 is None else [*ids, *token_ids_1, self.eos_token_id]

    def check_config(self, config: Mapping[str, Any]) -> None:
        """Raise LoadError unless the control tokens have the ids of this config.json.

        The first upload of ChatGLM-6B had another vocabulary, whose files still circulate.
        """
        for name in ("bos_token_id", "eos_token_id", "pad_token_id", "gmask_token_id"):
            number = getattr(self, name)
            if config.get(name, number) != number:
                raise LoadError(
                    f"config.json says {name} {config[name]}, ice_text.model says {number}: they"
                    " belong to different versions of ChatGLM-6B."
                )
