"""From the steps of `generate` to the events that a reader applies, and the count of tokens.

Puts together what `text_filter` makes of the text and the token ids that belong to it; knows
neither tokenizers nor models.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from bots.events import Delta, Replace, Step
from bots.streaming.text_filter import AnswerText


class AnswerEvents:
    """One answer as it grows, or begins anew. `tokens` counts those of the answer so far."""

    def __init__(self, text: AnswerText) -> None:
        self.text = text
        self.tokens = 0
        self._ids: list[int] = []

    def feed(self, step: Step, piece: str) -> Iterator[Delta | Replace]:
        """The events of a step, of which `piece` is the text: new, or whole if the step is."""
        self._count(step)
        if not step.whole:
            self._ids += step.token_ids
            yield from _merged(step, self.text.feed(piece))
            return
        texts = self.text.restart(piece)
        known, self._ids = self._ids, list(step.token_ids)
        if self._ids[: len(known)] == known:
            yield from _merged(replace(step, token_ids=step.token_ids[len(known) :]), texts)
        else:
            deque(texts, maxlen=0)
            yield Replace(self.text.sent, self.text.sent_reasoning, step.token_ids)

    def _count(self, step: Step) -> None:
        # A step without token ids counts as one token if it says anything.
        if step.whole and (step.token_ids or not step.text):
            self.tokens = len(step.token_ids)
        else:
            self.tokens += len(step.token_ids) or bool(step.text or step.reasoning)


def _merged(step: Step, texts: Iterator[Delta | Replace]) -> Iterator[Delta | Replace]:
    """The text events of a step, the first delta carrying the step's ids and logprobs too."""
    if step.reasoning or step.token_ids or step.logprobs:
        own = Delta("", step.reasoning, step.token_ids, step.logprobs)
        first = next(texts, None)
        if isinstance(first, Delta):
            yield replace(own, text=first.text, reasoning=own.reasoning + first.reasoning)
        else:
            yield own
            if first is not None:
                yield first
    yield from texts
