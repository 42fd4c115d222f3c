"""What the commands that write docs/benchmarks.md share: its sections, and words on the machine."""

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

REPORT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
QUIET = 0.5
"""A load above this says that something else was running."""


def write_section(name: str, text: str, report: Path = REPORT) -> None:
    """Put `text` between the marks of section `name`. Raises ValueError where it has no marks."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    head, found, rest = report.read_text("utf-8").partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{report} has no {begin} followed by {end}.")
    report.write_text(f"{head}{begin}\n{text}\n{end}{tail}", "utf-8")


def machine() -> str:
    """Date, cores, memory and Python, as a beginning of a sentence."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GB,"
        f" Python {platform.python_version()}"
    )


def load_before() -> str:
    """Whether the machine has other work, to be asked before anything is measured."""
    load = os.getloadavg()[0]
    if load <= QUIET:
        return f"quiet before (load {load:.1f})"
    return f"**not quiet**: other work was running before (load {load:.1f})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
