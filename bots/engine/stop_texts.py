"""Stop texts in terms of token ids, for those who follow several answers at once."""

from collections.abc import Collection, Sequence
from typing import Any

_TOKENS = 4
"""Of one character, at most: a byte each."""


class StopTexts:
    """Tells whether the newest token of an answer completes one of `texts`."""

    def __init__(
        self, tokenizer: Any, texts: Collection[str], *, skip_special_tokens: bool
    ) -> None:
        self._tokenizer, self._texts = tokenizer, [text for text in texts if text]
        self._skip = skip_special_tokens
        # A few more, for those without a text of their own.
        self._window = _TOKENS * max(map(len, self._texts), default=0) + 8

    def __call__(self, token_ids: Sequence[int]) -> bool:
        """Whether one of the texts stands at the end of these, or shortly before it."""
        if not self._texts:
            return False
        text = self._tokenizer.decode(
            token_ids[-self._window :],
            skip_special_tokens=self._skip,
            clean_up_tokenization_spaces=False,
        )
        return any(one in text for one in self._texts)
