"""From the pieces of an answer's text, in any chunking, to `Delta` and `Replace` events.

Applies stop texts, reasoning tags and `process_response`; imports neither tokenizers nor models.

Invariant: a reader that appends every `Delta.text` and obeys every `Replace` ends with exactly
`process_response(answer)`, where `answer` is the complete text, cut at the first stop text and
without the reasoning. It holds for every chunking and after every restart.

Text is held back only while the next piece could change its meaning, and at most until `finish`:

| held back                          | because it could become  |
|------------------------------------|--------------------------|
| an end that begins a stop text     | a stop text              |
| an end that begins the closing tag | the end of the reasoning |
| a start of the opening tag         | the reasoning            |
"""

from collections.abc import Callable, Iterator, Sequence

from bots.events import Delta, Replace


def partial_suffix(text: str, needles: Sequence[str]) -> int:
    """Length of the longest suffix of `text` that is a proper prefix of one of `needles`."""
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
    """Split `text` into (reasoning, answer) at an opening and a closing tag.

    The opening tag counts only at the beginning of the answer, after optional white space; later
    it is ordinary text. `inside`: the prompt ended with the opening tag, so the text begins inside
    the reasoning. Unless `final`, an incomplete tag is in neither part.
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


class TextFilter:
    """Filters one answer while it grows. `stopped` is true after a stop text."""

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
        """The model's text so far, up to the stop text if there was one."""
        self._sent = ""
        self._sent_reasoning = ""
        self.stopped = False

    @property
    def sent(self) -> str:
        """The answer that a reader has now."""
        return self._sent

    @property
    def sent_reasoning(self) -> str | None:
        """The reasoning that a reader has now; None for models without reasoning tags."""
        return None if self._tags is None else self._sent_reasoning

    def feed(self, piece: str) -> Iterator[Delta | Replace]:
        """Append new text; yields the events for the reader. Text after a stop text is ignored."""
        if piece and not self.stopped:
            yield from self._append(piece)

    def restart(self, whole: str) -> Iterator[Delta | Replace]:
        """Replace all text so far by `whole`; yields the events for the reader."""
        self._raw = ""
        self.stopped = False
        yield from self._append(whole)

    def finish(self) -> Iterator[Delta | Replace]:
        """End the answer; yields the events of the text that was held back."""
        yield from self._emit(self._raw, final=True)

    def _append(self, piece: str) -> Iterator[Delta | Replace]:
        searched = len(self._raw)
        self._raw += piece
        # Only a stop text that reaches into the new piece can be new.
        ends = [
            (at + len(text), at)
            for text in self._stop
            if (at := self._raw.find(text, max(0, searched - len(text) + 1))) >= 0
        ]
        if ends:
            # The stop text that ends first wins, as if the characters came one at a time; a rule
            # by the beginning would depend on the chunking.
            self._raw = self._raw[: min(ends)[1]]
            self.stopped = True
        held_back = 0 if self.stopped else partial_suffix(self._raw, self._stop)
        yield from self._emit(self._raw[: len(self._raw) - held_back], final=self.stopped)

    def _emit(self, text: str, *, final: bool) -> Iterator[Delta | Replace]:
        """The difference between what this text gives and what was sent before."""
        reasoning = ""
        if self._tags is not None:
            reasoning, text = split_reasoning(text, self._tags, inside=self._inside, final=final)
        # `process` gets the whole answer every time, so its result may differ anywhere.
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
