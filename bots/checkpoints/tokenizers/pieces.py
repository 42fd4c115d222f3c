"""Tokenizers on SentencePiece models, for which transformers' own give other ids."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from sentencepiece import SentencePieceProcessor
from transformers import PreTrainedTokenizer

from bots.checkpoints.tokenizers.files import read_optional_json, read_pieces, read_template
from bots.checkpoints.tokenizers.special import special_tokens

_BLANK = "▁"


class PiecesTokenizer(PreTrainedTokenizer):  # type: ignore[misc]
    """A SentencePiece model with added tokens.

    `decode` adds no blanks around special tokens, writes control tokens by name unless they are
    skipped, and leaves out ids without a token: embeddings may have more rows than the vocabulary
    has tokens, and a model can generate those ids.
    """

    padding_side = "left"
    model_input_names: tuple[str, ...] = ("input_ids", "attention_mask")

    white_space_tokens: Mapping[str, str] = {}
    """Tokens that stand for white space, in the order in which they replace it in a text."""

    blank_after_special = False
    """Whether SentencePiece put a blank in front of a text that follows a special token. `decode`
    then leaves it out."""

    def __init__(self, pieces: SentencePieceProcessor, **options: Any) -> None:
        self.pieces = pieces
        super().__init__(**options)
        ids = list(range(self.vocab_size))
        control, unknown = pieces.is_control(ids), pieces.is_unknown(ids)
        self._shown = {
            number: pieces.id_to_piece(number)
            for number in ids
            if control[number] or unknown[number]
        }
        self._hidden = set(self._shown)
        for number, token in self.added_tokens_decoder.items():
            self._shown[number] = token.content
            if token.special:
                self._hidden.add(number)

    def check_config(self, config: Mapping[str, Any]) -> None:
        """Raise LoadError where a config.json contradicts the tokenizer; here nothing can."""

    @property
    def vocab_size(self) -> int:
        """The number of tokens of the SentencePiece model, without the added ones."""
        return int(self.pieces.get_piece_size())

    def get_vocab(self) -> dict[str, int]:
        """All tokens and their ids."""
        pieces = self.pieces.id_to_piece(list(range(self.vocab_size)))
        vocabulary = {piece: number for number, piece in enumerate(pieces)}
        vocabulary.update(self._added_tokens_encoder)
        return vocabulary

    def _tokenize(self, text: str, **_: Any) -> list[str]:
        tokens: list[str] = self.pieces.encode(text, out_type=str)
        return tokens

    def _convert_token_to_id(self, token: str) -> int:
        return int(self.pieces.piece_to_id(token))

    def _convert_id_to_token(self, index: int) -> str:
        return str(self.pieces.id_to_piece(index)) if 0 <= index < self.vocab_size else ""

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """The text that `decode` gives for these tokens."""
        return self._decode(self.convert_tokens_to_ids(tokens))

    def _decode(
        self, token_ids: int | Sequence[int], skip_special_tokens: bool = False, **_: Any
    ) -> str:
        text, run = "", list[int]()
        for token in [token_ids] if isinstance(token_ids, int) else token_ids:
            if skip_special_tokens and token in self._hidden:
                continue
            if token in self._shown:
                text += self._text(run, text) + self._shown[token]
                run = []
            elif 0 <= token < self.vocab_size:
                run.append(token)
        return text + self._text(run, text)

    def _text(self, run: list[int], before: str) -> str:
        """The text of ids without special tokens; `before` is the text in front of it."""
        if not run:
            return ""
        text: str = self.pieces.decode(run)
        if before and not self.blank_after_special:
            # SentencePiece drops the blank of the first piece, as if the whole text began here.
            first = self.pieces.id_to_piece(run[0])
            return f" {text}" if first.startswith(_BLANK) else text
        return text


class LlamaPiecesTokenizer(PiecesTokenizer):
    """LLaMA's (EduChat, Chinese-Vicuna) and InternLM2's ids: `<s>` and the text.

    Special tokens are parsed from the text. The parts between them are encoded separately, so each
    gets a blank in front where the SentencePiece model adds one (LLaMA's does). This is
    `LlamaTokenizer` of transformers 4.30 with `legacy`. `decode` is the inverse; the original added
    blanks around special tokens.
    """

    blank_after_special = True

    def __init__(
        self,
        pieces: SentencePieceProcessor,
        *,
        add_bos_token: bool = True,
        add_eos_token: bool = False,
        **options: Any,
    ) -> None:
        self.add_bos_token, self.add_eos_token = add_bos_token, add_eos_token
        super().__init__(pieces, **options)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the tokenizer of `folder`. Raises LoadError."""
        pieces = read_pieces(folder / "tokenizer.model")

        def find(token: str) -> int | None:
            number = pieces.piece_to_id(token)
            return number if pieces.id_to_piece(number) == token else None

        names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
        config = read_optional_json(folder / "tokenizer_config.json")
        return cls(
            pieces,
            add_bos_token=config.get("add_bos_token", True),
            add_eos_token=config.get("add_eos_token", False),
            chat_template=read_template(folder, config),
            **special_tokens(folder, find, pieces.get_piece_size(), names).options(),
        )

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Return `<s>` and the text, with `</s>` where configured; each text of a pair likewise."""
        start = [self.bos_token_id] if self.add_bos_token else []
        end = [self.eos_token_id] if self.add_eos_token else []
        texts = [token_ids_0] if token_ids_1 is None else [token_ids_0, token_ids_1]
        return [token for text in texts for token in (*start, *text, *end)]
