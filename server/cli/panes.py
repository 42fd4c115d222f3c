"""How `chatzoo compare` shows answers: growing columns on a terminal, plain text elsewhere."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.text import Text

from server.cli.terminal_text import error_markup, show_controls, summary
from server.client.worker import Answer, WorkerClient, WorkerError

FRAMES_PER_SECOND = 12
OTHER_LINES = 4
"""Lines of a pane that are not text of the answer: two borders, the figures, a free one below."""
MIN_WIDTH = 20
"""Columns of a pane on a narrow terminal; more panes then go below each other."""
MIN_LINES = 3
"""Lines of text that a pane shows on a low terminal."""


@dataclass(slots=True, eq=False)
class Pane:
    """One worker of a comparison: its name, its answer so far, its error.

    `name` is the URL until the worker has sent its name. `left_out` are settings that the worker
    does not have.
    """

    client: WorkerClient
    name: str
    params: dict[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    answer: Answer = field(default_factory=Answer)
    error: WorkerError | None = None

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values, for programs."""
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


async def show_side_by_side(
    panes: Sequence[Pane], tasks: Sequence[asyncio.Task[None]], console: Console
) -> None:
    """Draw columns that grow until all tasks are done; the whole answers stay on the screen."""
    with Live(console=console, auto_refresh=False, transient=True) as live:
        left: set[asyncio.Task[None]] = set(tasks)
        while left:
            _, left = await asyncio.wait(left, timeout=1 / FRAMES_PER_SECOND)
            live.update(columns(panes, console, tail=True), refresh=True)
    console.print(columns(panes, console, tail=False))


async def show_in_turn(
    panes: Sequence[Pane], tasks: Sequence[asyncio.Task[None]], console: Console
) -> None:
    """Print each answer as plain text once it is complete, in the order of the panes."""
    for pane, task in zip(panes, tasks, strict=True):
        await task
        console.print(f"## {pane.name}", markup=False, soft_wrap=True)
        console.file.write(f"{pane.answer.text}\n")  # past rich, which would replace tabs
        console.print(_status(pane), soft_wrap=True)
        console.print()


def columns(panes: Sequence[Pane], console: Console, *, tail: bool) -> RenderableType:
    """The panes side by side; with `tail`, only as many last lines as fit on the screen."""
    width = max(MIN_WIDTH, console.width // len(panes))
    return Columns([_panel(pane, console, width, tail) for pane in panes], padding=0)


def _panel(pane: Pane, console: Console, width: int, tail: bool) -> Panel:
    answer = pane.answer
    text = Text(show_controls(answer.reasoning), style="dim italic")
    text.append("\n\n" if answer.reasoning else "")
    text.append(show_controls(answer.text), style="not dim not italic")
    if tail:
        lines = text.wrap(console, width - 4)
        text = Text("\n").join(lines[-max(MIN_LINES, console.height - OTHER_LINES) :])
    return Panel(
        Group(text, Text.from_markup(_status(pane), emoji=False)),
        title=Text(pane.name),
        width=width,
    )


def _status(pane: Pane) -> str:
    """The line below an answer, in rich's markup."""
    left_out = f" · without {', '.join(pane.left_out)}" if pane.left_out else ""
    if pane.error:
        return error_markup(pane.error)
    if pane.answer.place:
        return f"[dim]waiting, place {pane.answer.place}[/]"
    return f"[dim]{escape((summary(pane.answer) or '…') + left_out)}[/]"
