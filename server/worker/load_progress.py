"""Display of the progress of loading or converting a model, on standard error."""

import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from server.worker.schema import ProgressBody

MIN_SECONDS, MAX_SECONDS = 1.0, 30.0
"""Time between two lines of one stage where there is no terminal. Work of a second needs no lines
in between, and after half a minute of silence a reader of the log wonders whether it hangs."""


class LoadProgress:
    """Shows a bar at a terminal, and lines elsewhere: one for each stage and each tenth of it.

    Called from the loading thread. Make it before the model's library is imported, because it
    turns off the bars that libraries draw. `clock` gives seconds.
    """

    def __init__(
        self, title: str = "loading", *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._title = title
        self._clock = clock
        # Read by tqdm when it is imported. Its bars would break ours, and lines in a log.
        os.environ.setdefault("TQDM_DISABLE", "1")
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)
        self._stage = ""
        self._stage_started = self._last_line = 0.0
        self._tenths = 0

    def __call__(self, progress: ProgressBody | None) -> None:
        """Show a stage and the fraction of it that is done; None ends the display."""
        if progress is None:
            self._bar.stop()
            return
        if not self._stage:
            self._bar.start()
        if progress.stage != self._stage:
            self._begin_stage(progress)
        elif self._bar.disable and progress.fraction:
            self._print_fraction(progress.fraction)
        self._bar.update(
            self._task,
            description=progress.stage,
            total=None if progress.fraction is None else 1.0,
            completed=progress.fraction or 0.0,
        )

    def _begin_stage(self, progress: ProgressBody) -> None:
        self._stage = progress.stage
        # Otherwise the time left would be estimated from the speed of the stage before.
        self._bar.reset(self._task)
        self._stage_started = self._last_line = self._clock()
        self._tenths = _tenths(progress.fraction or 0.0)
        if self._bar.disable:
            self._print()

    def _print_fraction(self, done: float) -> None:
        """Print a line if a tenth is complete or the last line is `MAX_SECONDS` ago."""
        now = self._clock()
        silent = now - self._last_line
        if silent < MIN_SECONDS or (_tenths(done) == self._tenths and silent < MAX_SECONDS):
            return
        left = (now - self._stage_started) * (1 - done) / done
        self._tenths, self._last_line = _tenths(done), now
        self._print(f", {done:.0%}, {timedelta(seconds=round(left))} left")

    def _print(self, details: str = "") -> None:
        print(f"{self._title}: {self._stage}{details}", file=sys.stderr, flush=True)


def _tenths(done: float) -> int:
    # 0.3 * 10 is 2.9999999999999996 in floating point.
    return int(done * 10 + 1e-9)
