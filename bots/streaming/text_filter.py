"""From the pieces of an answer, in any chunking, to the events that a reader applies.

Knows stop texts, reasoning tags and `process_response`; knows neither tokens nor models.

The promise: appending every `Delta.text` and obeying every `Replace` gives exactly
`process_response(answer)`, where answer is the whole text, cut at the first stop text and
without the reasoning, wherever the pieces were cut and however often it began anew.
"""

from collections.abc import Callable, Iterator, Sequence

from bots.events import Delta, Replace


def partial_suffix(text: str, needles: Sequence[str]) -> int:
    """Length of the longest end of `text` that could grow into one of `needles`."""
    best = 0
    for needle in needles:
        for size in range(min(len(needle) - 1, len(text)), best, -1):
            if text.endswith(needle[:size]):
                best = size
                break
    return best


def split_reasoning(
    text: str, tags: tuple[str, str], *, inside: bool, final: bool
) -> tuple[str, str]:
    """Cut `text` into (reasoning, answer) at an opening and a closing tag.

    The opening tag counts only where the answer begins with it (white space may come before);
    `inside` says that the prompt already opened it. Unless `final`, what could still become a tag
    is in neither part.
    """
    opening, closing = tags
    if not inside:
        body = text.lstrip()
        if not body.startswith(opening):
            undecided = not final and opening.startswith(body)
            return "", "" if undecided else text
        text = body[len(opening) :]
    reasoning, found, answer = text.partition(closing)
    if not found and not final:
        reasoning = reasoning[: len(reasoning) - partial_suffix(reasoning, [closing])]
    return reasoning, answer.lstrip("\n") if found else ""


class AnswerText:
    """One answer as it grows. `stopped` turns true when a stop text was met."""

    def __init__(
        self,
        process: Callable[[str], str] | None = None,
        stop: Sequence[str] = (),
        reasoning_tags: tuple[str, str] | None = None,
        *,
        inside_reasoning: bool = False,
    ) -> None:
        self._process = process
        self._stop = tuple(text for text in stop if text)
        self._tags = reasoning_tags
        self._inside = inside_reasoning
        self._raw = ""
        self._sent = ""
        self._sent_reasoning = ""
        self.stopped = False

    @property
    def sent(self) -> str:
        """The answer as a reader has it now."""
        return self._sent

    @property
    def sent_reasoning(self) -> str | None:
        """The reasoning as a reader has it now; None where it does not come out of the text."""
        return None if self._tags is None else self._sent_reasoning

    def feed(self, piece: str) -> Iterator[Delta | Replace]:
        """Add new text; yields what a reader must apply. Nothing after a stop text counts."""
        if piece and not self.stopped:
            yield from self._grow(piece)

    def restart(self, whole: str) -> Iterator[Delta | Replace]:
        """Put `whole` in place of all text so far; yields what a reader must apply."""
        self._raw = ""
        self.stopped = False
        yield from self._grow(whole)

    def _grow(self, piece: str) -> Iterator[Delta | Replace]:
        searched = len(self._raw)
        self._raw += piece
        ends = [
            (at + len(text), at)
            for text in self._stop
            if (at := self._raw.find(text, max(0, searched - len(text) + 1))) >= 0
        ]
        if ends:
            # The one that ends first wins, as if the characters had come one at a time.
            self._raw = self._raw[: min(ends)[1]]
            self.stopped = True
        held = 0 if self.stopped else partial_suffix(self._raw, self._stop)
        yield from self._emit(self._raw[: len(self._raw) - held], final=self.stopped)

    def finish(self) -> Iterator[Delta | Replace]:
        """No more text will come: yields what was held back."""
        yield from self._emit(self._raw, final=True)

    def _emit(self, text: str, *, final: bool) -> Iterator[Delta | Replace]:
        reasoning = ""
        if self._tags is not None:
            reasoning, text = split_reasoning(text, self._tags, inside=self._inside, final=final)
        if self._process is not None:
            text = self._process(text)
        old, self._sent = self._sent, text
        old_reasoning, self._sent_reasoning = self._sent_reasoning, reasoning
        if not reasoning.startswith(old_reasoning):
            yield Replace(text, reasoning)
            return
        if new := reasoning[len(old_reasoning) :]:
            yield Delta(reasoning=new)
        if not text.startswith(old):
            yield Replace(text)
        elif new := text[len(old) :]:
            yield Delta(text=new)
