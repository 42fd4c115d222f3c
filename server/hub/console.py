"""The terminal output of the hub: the page's address, progress of loading, the workers' lines.

On a terminal, models that load have progress bars at the bottom. Elsewhere the workers' own lines
show how far they are.
"""

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.text import Text

from server.hub.registry import Member
from server.hub.schema import Health
from server.hub.zoo_worker import ZooWorker

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")


class HubConsole:
    """The terminal output of one hub. A context manager; its end removes the progress bars."""

    def __init__(self, workers: tuple[ZooWorker, ...] = (), console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, emoji=False)
        self._width = max((cell_len(worker.name) for worker in workers), default=0)
        self._colours = {
            worker.name: COLOURS[place % len(COLOURS)] for place, worker in enumerate(workers)
        }
        self._bars: dict[str, TaskID] = {}
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[stage]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> "HubConsole":
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def print(self, text: str) -> None:
        """Print a line of the hub itself, in rich's markup."""
        self.console.print(text, soft_wrap=True)

    def print_line(self, name: str, line: str) -> None:
        """Print a line of a worker, except for progress that a bar shows already."""
        if self.console.is_terminal and line.startswith("loading: "):
            return
        space = " " * (self._width - cell_len(name))
        prefix = (f"{name}{space} │ ", self._colours.get(name, ""))
        self.console.print(Text.assemble(prefix, Text.from_ansi(line)), soft_wrap=True)

    def show_health(self, member: Member, before: Health) -> None:
        """Draw or print a change of a worker's health; a listener of the registry."""
        now = member.health
        if now.state == "loading":
            self._draw_bar(member)
            return
        self._remove_bar(member)
        if now.state == before.state:
            return
        if now.state == "ready":
            self.print(f"[bold green]✓[/] {escape(member.name)} is ready at {member.url}")
        elif now.state == "failed":
            reason = escape(now.error or "unknown reason")
            self.print(f"[bold red]✗[/] {escape(member.name)} failed: {reason}")
        elif now.state == "down" and member.source == "registered":
            self.print(f"[bold red]✗[/] {escape(member.name)}: {escape(now.error or 'down')}")

    def _draw_bar(self, member: Member) -> None:
        """Add or move the progress bar of a loading worker."""
        progress = member.health.progress
        fraction = progress.fraction if progress else None
        if not self._bars:
            self._progress.start()
        if member.id not in self._bars:
            self._bars[member.id] = self._progress.add_task(
                escape(member.name), total=None, stage=""
            )
        self._progress.update(
            self._bars[member.id],
            total=None if fraction is None else 1.0,
            completed=fraction or 0.0,
            stage=escape(progress.stage if progress else "loading"),
        )

    def _remove_bar(self, member: Member) -> None:
        if (bar := self._bars.pop(member.id, None)) is None:
            return
        self._progress.remove_task(bar)
        if not self._bars:
            self._progress.stop()  # else it would redraw nothing ten times a second
