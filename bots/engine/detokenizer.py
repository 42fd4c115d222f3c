"""Token ids to text, one request at a time, never giving away half a character.

Fast tokenizers have a decode stream of their own. Others are asked for the text of a window of
ids that begins where the text was last complete, so the cost of a token does not grow with the
answer.
"""

from collections.abc import Collection, Sequence
from typing import Any

from tokenizers.decoders import DecodeStream

_UNFINISHED = "�"


class Detokenizer:
    """The text of one answer. `tokenizer` is one of transformers', fast or not.

    `shown` are ids whose text is given although special tokens are skipped.
    """

    def __init__(
        self, tokenizer: Any, *, skip_special_tokens: bool = True, shown: Collection[int] = ()
    ) -> None:
        self._tokenizer = tokenizer
        self._fast: Any = getattr(tokenizer, "backend_tokenizer", None)
        # The library skips all special tokens or none, so to show some the others go before it.
        chosen = skip_special_tokens and bool(shown)
        self._hidden = _special_ids(tokenizer) - set(shown) if chosen else frozenset()
        self._skip = skip_special_tokens and not chosen
        self.restart()

    def restart(self) -> None:
        """Forget all ids: another text begins."""
        self._stream = DecodeStream(skip_special_tokens=self._skip)
        self._ids: list[int] = []
        self._shown = 0  # ids before this one belong to text that was given away …
        self._anchor = 0  # … and the window begins here, so that the text before it is the same

    def add(self, token_ids: Sequence[int]) -> str:
        """The text that these ids complete; "" while a character is unfinished."""
        if self._hidden:
            token_ids = [one for one in token_ids if one not in self._hidden]
        if self._fast is not None:
            return "".join(map(self._step, token_ids))
        self._ids += token_ids
        before = self._text(self._anchor, self._shown)
        text = self._text(self._anchor, len(self._ids))
        if len(text) <= len(before) or text.endswith(_UNFINISHED):
            return ""
        self._anchor, self._shown = self._shown, len(self._ids)
        return text[len(before) :]

    def _step(self, token_id: int) -> str:
        try:
            return self._stream.step(self._fast, token_id) or ""
        except Exception as error:
            # Bytes that are no character changed the text that was given away before them.
            if "Invalid prefix" not in str(error):
                raise
            self._stream = DecodeStream(skip_special_tokens=self._skip)
            return _UNFINISHED + (self._stream.step(self._fast, token_id) or "")

    def _text(self, start: int, end: int) -> str:
        text: str = self._tokenizer.decode(
            self._ids[start:end], skip_special_tokens=self._skip, clean_up_tokenization_spaces=False
        )
        return text


def _special_ids(tokenizer: Any) -> frozenset[int]:
    """The ids that the tokenizer itself would skip."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return frozenset(tokenizer.all_special_ids)
    added = backend.get_added_tokens_decoder()
    return frozenset(number for number, token in added.items() if token.special)
