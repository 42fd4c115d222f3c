"""`chatzoo compare`: one prompt for several workers, their answers side by side."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from typing import Any

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.text import Text

from bots.errors import ConfigError
from server.cli.answers import failure, figures, harmless, well_formed
from server.cli.settings import settings_for
from server.client.worker import Answer, WorkerClient, WorkerError

FRAMES_A_SECOND = 12
FRAME_LINES = 4
"""Lines of a panel that are not answer: two borders, the figures, and a free one below."""


@dataclass(slots=True, eq=False)
class Pane:
    """One worker's part: its name once it is known, its answer so far, what went wrong."""

    client: WorkerClient
    name: str
    params: dict[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    answer: Answer = field(default_factory=Answer)
    error: WorkerError | None = None

    def as_json(self) -> dict[str, Any]:
        """Everything about it, for programs."""
        answer, error = self.answer, self.error
        return {
            "worker": self.client.url,
            "name": self.name,
            "text": answer.text,
            "reasoning": answer.reasoning or None,
            "finish_reason": answer.finish_reason,
            "usage": answer.usage.model_dump() if answer.usage else None,
            "timings": answer.timings.model_dump() if answer.timings else None,
            "settings_left_out": self.left_out,
            "error": {"message": error.message, "code": error.code} if error else None,
        }


def compare(
    urls: Sequence[str],
    prompt: str,
    *,
    api_key: str | None = None,
    system: str | None = None,
    settings: Mapping[str, Any],
    as_json: bool = False,
    console: Console | None = None,
) -> int:
    """Send `prompt` to all workers at once and show what they answer.

    The exit code: 1 if any worker failed. Raises ConfigError for a wrong URL, and for a setting
    that no worker has.
    """
    console = console or Console(highlight=False, emoji=False)
    prompt, system = well_formed(prompt), system and well_formed(system)
    return asyncio.run(_compare(urls, prompt, api_key, system, settings, as_json, console))


async def _compare(
    urls: Sequence[str],
    prompt: str,
    api_key: str | None,
    system: str | None,
    settings: Mapping[str, Any],
    as_json: bool,
    console: Console,
) -> int:
    async with AsyncExitStack() as stack:
        panes = [await _open(stack, url, api_key) for url in urls]
        await asyncio.gather(*(_introduce(pane, settings) for pane in panes))
        _check_settings(panes, settings)
        messages = [{"role": "user", "content": prompt}]
        tasks = [asyncio.create_task(_answer(pane, messages, system)) for pane in panes]
        try:
            if as_json:
                await asyncio.gather(*tasks)
            elif console.is_terminal:
                await _side_by_side(panes, tasks, console)
            else:
                await _one_by_one(panes, tasks, console)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    if as_json:
        asked = {"prompt": prompt, "system": system, "settings": dict(settings)}
        answers = [pane.as_json() for pane in panes]
        print(json.dumps({**asked, "answers": answers}, indent=2, ensure_ascii=False))
    return 1 if any(pane.error for pane in panes) else 0


async def _open(stack: AsyncExitStack, url: str, api_key: str | None) -> Pane:
    try:
        client = await stack.enter_async_context(WorkerClient(url, api_key))
    except ValueError as error:
        raise ConfigError(f"{url!r}: {error}.") from None
    return Pane(client, client.url)


async def _introduce(pane: Pane, settings: Mapping[str, Any]) -> None:
    """Learn the worker's name and settings."""
    try:
        pane.name = harmless(str((await pane.client.info())["name"]))
        pane.params, pane.left_out = await settings_for(pane.client, settings)
    except WorkerError as error:
        pane.error = error


def _check_settings(panes: Sequence[Pane], settings: Mapping[str, Any]) -> None:
    """Raise ConfigError for a setting that no worker has: a typing error, most likely."""
    for name in settings:
        if all(name in pane.left_out for pane in panes):
            raise ConfigError(f"No worker has the setting {name!r}.")


async def _answer(pane: Pane, messages: list[dict[str, str]], system: str | None) -> None:
    """Fill the pane's answer, or its error."""
    if pane.error:
        return
    try:
        stream = pane.client.generate(messages, pane.params, system)
        async with aclosing(stream) as answers:
            async for answer in answers:
                pane.answer = answer
    except WorkerError as error:
        pane.error = error


# -- on a terminal ---------------------------------------------------------------------------------


async def _side_by_side(
    panes: Sequence[Pane], tasks: Sequence[asyncio.Task[None]], console: Console
) -> None:
    """Columns that grow; at the end the whole answers stay on the screen."""
    with Live(console=console, auto_refresh=False, transient=True) as live:
        left: set[asyncio.Task[None]] = set(tasks)
        while left:
            _, left = await asyncio.wait(left, timeout=1 / FRAMES_A_SECOND)
            live.update(columns(panes, console, tail=True), refresh=True)
    console.print(columns(panes, console, tail=False))


def columns(panes: Sequence[Pane], console: Console, *, tail: bool) -> RenderableType:
    """The panes side by side; with `tail`, only as many last lines as the screen has room for."""
    width = max(20, console.width // len(panes))
    return Columns([_panel(pane, console, width, tail) for pane in panes], padding=0)


def _panel(pane: Pane, console: Console, width: int, tail: bool) -> Panel:
    answer = pane.answer
    text = Text(harmless(answer.reasoning), style="dim italic")
    text.append("\n\n" if answer.reasoning else "")
    text.append(harmless(answer.text), style="not dim not italic")
    if tail:
        lines = text.wrap(console, width - 4)
        text = Text("\n").join(lines[-max(3, console.height - FRAME_LINES) :])
    return Panel(
        Group(text, Text.from_markup(_status(pane), emoji=False)),
        title=Text(pane.name),
        width=width,
    )


def _status(pane: Pane) -> str:
    """The line below an answer, in rich's markup."""
    left_out = f" · without {', '.join(pane.left_out)}" if pane.left_out else ""
    if pane.error:
        return failure(pane.error)
    if pane.answer.place:
        return f"[dim]waiting, place {pane.answer.place}[/]"
    return f"[dim]{escape((figures(pane.answer) or '…') + left_out)}[/]"


# -- elsewhere -------------------------------------------------------------------------------------


async def _one_by_one(
    panes: Sequence[Pane], tasks: Sequence[asyncio.Task[None]], console: Console
) -> None:
    """Each answer in plain text, in the given order, as soon as it is complete."""
    for pane, task in zip(panes, tasks, strict=True):
        await task
        console.print(f"## {pane.name}", markup=False, soft_wrap=True)
        console.file.write(f"{pane.answer.text}\n")  # untouched: rich would make spaces of tabs
        console.print(_status(pane), soft_wrap=True)
        console.print()
