"""Token ids to text, for one answer at a time, never in half characters.

Fast tokenizers bring a decode stream of their own. For others, a window of the newest ids is
decoded, which begins where the text was last complete: the cost of a token does not grow with the
answer.
"""

from collections.abc import Collection, Sequence
from typing import Any

from tokenizers.decoders import DecodeStream

_UNFINISHED = "�"
"""What tokenizers decode bytes to that are no whole character."""


class Detokenizer:
    """The text of one answer. `tokenizer` is one of transformers', fast or not.

    `shown`: ids of special tokens that are part of the text although others are skipped.
    """

    def __init__(
        self, tokenizer: Any, *, skip_special_tokens: bool = True, shown: Collection[int] = ()
    ) -> None:
        self._tokenizer = tokenizer
        self._fast: Any = getattr(tokenizer, "backend_tokenizer", None)
        # Tokenizers skip all special tokens or none. To show some, the others are removed here.
        chosen = skip_special_tokens and bool(shown)
        self._hidden = _special_ids(tokenizer) - set(shown) if chosen else frozenset()
        self._skip = skip_special_tokens and not chosen
        self.restart()

    def restart(self) -> None:
        """Begin another text."""
        self._stream = DecodeStream(skip_special_tokens=self._skip)
        self._ids: list[int] = []
        self._shown = 0  # the ids before this index belong to text that was returned
        # The window begins here, one piece earlier: the text of an id depends on the one before it
        # (a blank that only the first word of a text lacks), so both decodings share a context.
        self._anchor = 0

    def add(self, token_ids: Sequence[int]) -> str:
        """The text that these ids complete; empty while a character is unfinished."""
        if self._hidden:
            token_ids = [token for token in token_ids if token not in self._hidden]
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
            # The stream refuses when invalid bytes change the text that it has returned already.
            # The answer goes on: the bytes become one replacement character.
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
    """The ids that the tokenizer skips with `skip_special_tokens`."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return frozenset(tokenizer.all_special_ids)
    added = backend.get_added_tokens_decoder()
    return frozenset(number for number, token in added.items() if token.special)
