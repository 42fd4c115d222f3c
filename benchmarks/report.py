"""Sections of docs/benchmarks.md, tables, and the description of machine and load."""

import os
import platform
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

REPORT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
QUIET = 0.5
"""Load average above which other work was running."""


def write_section(name: str, text: str, report: Path = REPORT) -> None:
    """Put `text` between the marks of section `name`. Raises ValueError where there are none."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    head, found, rest = report.read_text("utf-8").partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{report} has no {begin} followed by {end}.")
    report.write_text(f"{head}{begin}\n{text}\n{end}{tail}", "utf-8")


def machine() -> str:
    """Date, cores, memory and Python version, as the start of a sentence."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GB,"
        f" Python {platform.python_version()}"
    )


class Watch:
    """CPU use of other processes since this object was made.

    Children count as ours only once they have ended, so call `words` after they have.
    """

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]
        self._start, self._others = time.monotonic(), _others()

    def words(self) -> str:
        """A phrase on whether the machine was quiet, with load and cores that other work took."""
        cores = max(_others() - self._others, 0) / (time.monotonic() - self._start)
        quiet = self._load <= QUIET and cores <= QUIET / 2
        return (
            f"{'a quiet machine' if quiet else '**not a quiet machine**'}: load {self._load:.1f}"
            f" before, and other work took {cores:.2f} cores meanwhile"
        )


def _others() -> float:
    """CPU seconds since boot of all processes except this one and its ended children."""
    spent = psutil.cpu_times()
    busy = spent.user + spent.system + spent.nice + spent.irq + spent.softirq
    return float(busy - sum(os.times()[:4]))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a Markdown table."""
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
