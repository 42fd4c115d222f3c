"""`chatzoo chat`: a conversation with one worker, each answer printed as it is streamed.

`clear` begins a new conversation, `stop` or Ctrl-D ends, Ctrl-C stops a running answer.
"""

import asyncio
import io
import sys
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from bots.errors import ConfigError
from server.cli.flags import ApiKey, Set, System
from server.cli.printer import AnswerPrinter
from server.cli.request_settings import parse_settings, split_settings
from server.cli.terminal_text import error_markup, replace_surrogates, show_controls, summary
from server.client.worker import Answer, WorkerClient, WorkerError

PROMPT = "› "


def chat(
    url: Annotated[str, typer.Argument(help="The worker, such as http://127.0.0.1:8081.")],
    system: System = None,
    settings: Set = None,
    api_key: ApiKey = None,
) -> None:
    """Talk to one worker.

    `clear` begins a new conversation, `stop` or Ctrl-D ends, Ctrl-C stops a running answer.
    """
    wanted = parse_settings(settings or [])
    raise typer.Exit(converse(url, api_key=api_key, system=system, settings=wanted))


def converse(
    url: str,
    *,
    api_key: str | None,
    system: str | None,
    settings: Mapping[str, Any],
    console: Console | None = None,
    read: Callable[[str], str] | None = None,
) -> int:
    """Send each line of input to the worker at `url` until the input ends.

    Returns the exit code: 0, or 1 when the last prompt failed. `read` asks for a line, as `input`
    does. Raises ConfigError for a wrong URL or unknown settings.
    """
    console = console or Console(highlight=False, emoji=False)
    system = system and replace_surrogates(system)
    try:
        client = WorkerClient(url, api_key)
    except ValueError as error:
        raise ConfigError(f"{url!r}: {error}.") from None
    # One event loop for all prompts, as the client keeps its connection. The runner also turns a
    # Ctrl-C while an answer runs into the cancellation of that answer.
    with asyncio.Runner() as runner:
        try:
            params = runner.run(_greet(client, console, settings))
            conversation = Conversation(client, console, params, system)
            return _talk(runner, conversation, console, read or _line_reader())
        except WorkerError as error:
            console.print(error_markup(error))
            return 1
        finally:
            runner.run(client.aclose())


class Conversation:
    """The turns of one conversation with one worker."""

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
        """Send a prompt and print its answer; both become part of `messages`.

        When it is cancelled or fails, the text so far is kept; a prompt without any answer is
        removed again. Raises WorkerError.
        """
        self.messages.append({"role": "user", "content": prompt})
        self._answer = Answer()
        printer = AnswerPrinter(self._console)
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
            self._console.print(summary(self._answer), style="dim", highlight=False)


async def _greet(
    client: WorkerClient, console: Console, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Print the worker's name; returns the settings of the requests.

    Raises WorkerError, and ConfigError for a setting that the worker does not have.
    """
    info = await client.info()
    params, unknown = await split_settings(client, settings)
    if unknown:
        known = ", ".join(await client.settings())
        raise ConfigError(f"{info['name']} has no setting {unknown[0]!r}. It has: {known}.")
    if console.is_terminal and sys.stdin.isatty():
        console.print(
            f"[bold]{escape(show_controls(str(info['name'])))}[/] at {client.url}"
            "  [dim]clear: new conversation · stop or Ctrl-D: end · Ctrl-C: stop an answer[/]"
        )
    return params


def _line_reader() -> Callable[[str], str]:
    """A function that reads a line from standard input; with a prompt for people only."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # for bytes that are not UTF-8
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
    """Read and answer lines; returns the exit code."""
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
            console.print(error_markup(error))
            code = 1
        except KeyboardInterrupt:
            console.print("[dim]stopped[/]")
