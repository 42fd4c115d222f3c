"""From the steps of `generate` to the events of an answer, with the number of its tokens.

Joins the text events of `text_filter` with the token ids and log-probabilities of the same step;
imports neither tokenizers nor models.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from bots.events import Delta, Replace, Step
from bots.streaming.text_filter import TextFilter


class EventAssembler:
    """Assembles the events of one answer. `tokens` is the length of the answer so far."""

    def __init__(self, text: TextFilter) -> None:
        self._text = text
        self._ids: list[int] = []
        self.tokens = 0

    @property
    def stopped(self) -> bool:
        """Whether a stop text has ended the answer."""
        return self._text.stopped

    def feed(self, step: Step, text: str) -> Iterator[Delta | Replace]:
        """The events of a step with this text: new text, or all of it if the step is `whole`."""
        self._count(step)
        if not step.whole:
            self._ids += step.token_ids
            yield from _joined(step, self._text.feed(text))
            return
        texts = self._text.restart(text)
        known, self._ids = self._ids, list(step.token_ids)
        if self._ids[: len(known)] == known:
            # The whole answer only continues the ids already sent: its rest is an ordinary delta.
            yield from _joined(replace(step, token_ids=step.token_ids[len(known) :]), texts)
        else:
            # One event replaces everything, so that readers never hold new ids with old text.
            deque(texts, maxlen=0)  # lets the filter read the text; its own events are not needed
            yield Replace(self._text.sent, self._text.sent_reasoning, step.token_ids)

    def finish(self) -> Iterator[Delta | Replace]:
        """The events of what was held back, after the last step."""
        return self._text.finish()

    def _count(self, step: Step) -> None:
        # A bot without a tokenizer has no ids: each of its steps with a text counts as one token.
        if step.whole and (step.token_ids or not step.text):
            self.tokens = len(step.token_ids)
        else:
            self.tokens += len(step.token_ids) or bool(step.text or step.reasoning)


def _joined(step: Step, texts: Iterator[Delta | Replace]) -> Iterator[Delta | Replace]:
    """The text events of a step; the first delta also has the step's ids and log-probabilities.

    A step whose text is held back gives a delta with ids and no text.
    """
    if step.reasoning or step.token_ids or step.logprobs:
        delta = Delta("", step.reasoning, step.token_ids, step.logprobs)
        first = next(texts, None)
        if isinstance(first, Delta):
            yield replace(delta, text=first.text, reasoning=delta.reasoning + first.reasoning)
        else:
            yield delta
            if first is not None:
                yield first
    yield from texts
