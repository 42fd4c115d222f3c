"""The tokenizers of ChatGLM2 and ChatGLM3, on the files of THUDM's repositories."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from tokenizers import AddedToken

from bots.checkpoints.tokenizers.files import read_pieces
from bots.checkpoints.tokenizers.pieces import PiecesTokenizer

_NAMED = {"eos_token": "</s>", "pad_token": "<unk>"}


class ChatGLM2Tokenizer(PiecesTokenizer):
    """ChatGLM2's ids: `[gMASK]`, `sop`, the text; of a pair also the second text and `</s>`.

    Special tokens are never parsed from a text. Their ids follow those of the SentencePiece
    vocabulary. Batches are padded on the left and have `position_ids`, which begin at 0 after the
    padding. `decode` writes special tokens by name unless they are skipped; ChatGLM2's original
    never wrote them, ChatGLM3's always did.
    """

    model_input_names = ("input_ids", "attention_mask", "position_ids")
    specials: tuple[str, ...] = ("[MASK]", "[gMASK]", "[sMASK]", "sop", "eop")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load `folder`/tokenizer.model. Raises LoadError."""
        pieces = read_pieces(folder / "tokenizer.model")
        ids = {
            pieces.unk_id(): "<unk>",
            pieces.eos_id(): "</s>",
            **dict(enumerate(cls.specials, pieces.get_piece_size())),
        }
        added = {number: AddedToken(name, special=True) for number, name in ids.items()}
        return cls(
            pieces,
            added_tokens_decoder=added,
            **_NAMED,
            extra_special_tokens=list(cls.specials),
            split_special_tokens=True,
        )

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Return `[gMASK]`, `sop`, the text, and for a pair the second text, `</s>`."""
        ids = [*self.convert_tokens_to_ids(["[gMASK]", "sop"]), *token_ids_0]
        return ids if token_ids_1 is None else [*ids, *token_ids_1, self.eos_token_id]

    def _pad(self, encoded_inputs: Any, *args: Any, **options: Any) -> Any:
        length = len(encoded_inputs["input_ids"])
        padded = super()._pad(encoded_inputs, *args, **options)
        if "position_ids" not in padded:
            padding = [0] * (len(padded["input_ids"]) - length)
            padded["position_ids"] = [*padding, *range(length)]
        return padded


class ChatGLM3Tokenizer(ChatGLM2Tokenizer):
    """ChatGLM3's tokenizer: ChatGLM2's, with tokens for roles that only `encode_chat` writes."""

    specials = (
        *ChatGLM2Tokenizer.specials,
        "<|system|>",
        "<|user|>",
        "<|assistant|>",
        "<|observation|>",
    )

    def encode_chat(self, messages: Iterable[tuple[str, str]]) -> list[int]:
        """The ids of a conversation of (role, content), up to where the answer begins.

        Roles are system, user, assistant and observation. A message is its role's token, a line
        for metadata (empty here) and the content. Line and content are encoded separately, as in
        the original: encoded together, SentencePiece would merge across them.
        """
        ids = self.build_inputs_with_special_tokens([])
        for role, content in messages:
            ids.append(self._added_tokens_encoder[f"<|{role}|>"])
            ids += self.pieces.encode("\n") + self.pieces.encode(content)
        return [*ids, self._added_tokens_encoder["<|assistant|>"]]
