"""Stop texts recognised from token ids, for a decoder that follows several answers at once."""

from collections.abc import Collection, Sequence
from typing import Any

_MAX_TOKENS_PER_CHARACTER = 4
"""A character has at most four UTF-8 bytes, and a token at least one."""

_SPARE_TOKENS = 8
"""Tokens without a text of their own (special ones) that may lie in between."""


class StopTexts:
    """Whether the newest token of an answer completes one of `texts`.

    Only the end of the answer is decoded, as many tokens as the longest text can have, so the cost
    does not grow with the answer.
    """

    def __init__(
        self, tokenizer: Any, texts: Collection[str], *, skip_special_tokens: bool
    ) -> None:
        self._tokenizer, self._texts = tokenizer, [text for text in texts if text]
        self._skip_special_tokens = skip_special_tokens
        longest = max(map(len, self._texts), default=0)
        self._window = _MAX_TOKENS_PER_CHARACTER * longest + _SPARE_TOKENS

    def __call__(self, token_ids: Sequence[int]) -> bool:
        """Whether one of the texts stands at the end of these ids, or shortly before it."""
        if not self._texts:
            return False
        text = self._tokenizer.decode(
            token_ids[-self._window :],
            skip_special_tokens=self._skip_special_tokens,
            clean_up_tokenization_spaces=False,
        )
        return any(stop in text for stop in self._texts)
