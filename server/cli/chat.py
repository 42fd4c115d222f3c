"""`chatzoo chat`: one worker, many turns, each answer printed as it comes.

`clear` forgets the conversation, `stop` or Ctrl-D ends, Ctrl-C stops the answer that is running.
"""

import asyncio
import io
import sys
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any

from rich.console import Console
from rich.markup import escape

from bots.errors import ConfigError
from server.cli.answers import failure, figures, harmless, well_formed
from server.cli.settings import settings_for
from server.client.worker import Answer, WorkerClient, WorkerError

PROMPT = "› "


class Printer:
    """Prints an answer while it grows: only what is new, unless sent text has changed."""

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
            self._write("\n(changed, so here is all of it again)\n", "dim")
            self._write(answer.text)
        self._text = answer.text

    def finish(self) -> None:
        """End the line of the answer."""
        if self._text or self._reasoning:
            self._write("\n")

    def _write(self, text: str, style: str = "") -> None:
        if self._console.is_terminal:
            text = harmless(text)
        if style:
            self._console.print(text, style=style, end="", markup=False, soft_wrap=True)
        else:  # untouched: rich would make spaces of tabs
            self._console.file.write(text)
            self._console.file.flush()


class Conversation:
    """One conversation with one worker."""

    def __init__(
        self, client: WorkerClient, console: Console, params: Mapping[str, Any], system: str | None
    ) -> None:
        self._client = client
        self._console = console
        self._params = params
        self._system = system
        self.messages: list[dict[str, str]] = []
        self._answer = Answer()

    async def ask(self, prompt: str) -> None:
        """Send a prompt, print the answer, remember both. Raises WorkerError.

        When it is cancelled or fails, what was answered so far is remembered; a prompt without
        any answer is not.
        """
        self.messages.append({"role": "user", "content": prompt})
        self._answer = Answer()
        printer = Printer(self._console)
        try:
            stream = self._client.generate(self.messages, self._params, self._system)
            async with aclosing(stream) as answers:
                async for answer in answers:
                    self._answer = answer
                    printer.show(answer)
        finally:
            printer.finish()
            if self._answer.text:
                self.messages.append({"role": "assistant", "content": self._answer.text})
            else:
                self.messages.pop()
        if self._console.is_terminal:
            self._console.print(figures(self._answer), style="dim", highlight=False)


def chat(
    url: str,
    *,
    api_key: str | None,
    system: str | None,
    settings: Mapping[str, Any],
    console: Console | None = None,
    read: Callable[[str], str] | None = None,
) -> int:
    """Talk to the worker at `url` until the person has enough.

    The exit code: 0, or 1 when the last prompt could not be answered. `read` asks for a line, as
    `input` does. Raises ConfigError for a wrong URL or unknown settings.
    """
    console = console or Console(highlight=False, emoji=False)
    system = system and well_formed(system)
    try:
        client = WorkerClient(url, api_key)
    except ValueError as error:
        raise ConfigError(f"{url!r}: {error}.") from None
    with asyncio.Runner() as runner:
        try:
            params = runner.run(_greet(client, console, settings))
            conversation = Conversation(client, console, params, system)
            return _talk(runner, conversation, console, read or _reader())
        except WorkerError as error:
            console.print(failure(error))
            return 1
        finally:
            runner.run(client.aclose())


async def _greet(
    client: WorkerClient, console: Console, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Say who answers; the settings of the requests. Raises WorkerError and ConfigError."""
    info = await client.info()
    params, unknown = await settings_for(client, settings)
    if unknown:
        known = ", ".join(await client.settings())
        raise ConfigError(f"{info['name']} has no setting {unknown[0]!r}. It has: {known}.")
    if console.is_terminal and sys.stdin.isatty():
        console.print(
            f"[bold]{escape(harmless(str(info['name'])))}[/] at {client.url}"
            "  [dim]clear: begin anew · stop or Ctrl-D: end · Ctrl-C: stop an answer[/]"
        )
    return params


def _reader() -> Callable[[str], str]:
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # for bytes that are no text
    if not sys.stdin.isatty():
        return lambda _: input()
    import readline  # noqa: F401 (gives `input` a history and editing; only for a person)

    return input


def _talk(
    runner: asyncio.Runner,
    conversation: Conversation,
    console: Console,
    read: Callable[[str], str],
) -> int:
    code = 0
    while True:
        try:
            prompt = read(PROMPT).strip()
        except EOFError:
            if console.is_terminal:
                console.print()
            return code
        except KeyboardInterrupt:
            console.print("\n[dim]Ctrl-D ends.[/]")
            continue
        if not prompt:
            continue
        if prompt == "stop":
            return code
        if prompt == "clear":
            conversation.messages.clear()
            continue
        try:
            runner.run(conversation.ask(prompt))
            code = 0
        except WorkerError as error:
            console.print(failure(error))
            code = 1
        except KeyboardInterrupt:
            console.print("[dim]stopped[/]")
