"""Prints an answer while it is streamed."""

from rich.console import Console

from server.cli.terminal_text import show_controls
from server.client.worker import Answer


class AnswerPrinter:
    """Prints what is new of a growing answer; all of it when a worker replaced sent text."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._text = ""
        self._reasoning = ""
        self._place: int | None = None

    def show(self, answer: Answer) -> None:
        """Print what has changed since the last call."""
        if answer.place != self._place and self._console.is_terminal and answer.place:
            self._write(f"waiting, place {answer.place} in the queue\n", "dim")
        self._place = answer.place
        if new := answer.reasoning[len(self._reasoning) :]:
            self._write(new, "dim italic")
            self._reasoning = answer.reasoning
        if answer.text == self._text:
            return
        if answer.text.startswith(self._text):
            between = "\n\n" if self._reasoning and not self._text else ""
            self._write(between + answer.text[len(self._text) :])
        else:
            self._write("\n(the answer was rewritten; all of it again:)\n", "dim")
            self._write(answer.text)
        self._text = answer.text

    def finish(self) -> None:
        """End the line of the answer."""
        if self._text or self._reasoning:
            self._write("\n")

    def _write(self, text: str, style: str = "") -> None:
        # A pipe gets every byte unchanged; only a terminal obeys control characters.
        if self._console.is_terminal:
            text = show_controls(text)
        if style:
            self._console.print(text, style=style, end="", markup=False, soft_wrap=True)
        else:  # past rich, which would replace tabs by spaces
            self._console.file.write(text)
            self._console.file.flush()
