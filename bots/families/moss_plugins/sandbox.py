"""Runs a tool in a process of its own, with limits on time, memory and output.

Knows how to start and end the process; what the tools do is in `bots.families.moss_plugins.maths`.
"""

import subprocess
import sys
import threading
import time
from pathlib import Path

SECONDS = 10.0
"""After this long, by the clock, a tool has failed."""

LOOK = 0.1
"""Seconds between two looks at the stop event."""

PACKAGE = Path(__file__).parents[3]


def run_tool(name: str, argument: str, stop: threading.Event | None = None) -> str:
    """The result of `Calculate` or `Solve`, or `error: …`; returns soon after `stop` is set."""
    command = [sys.executable, "-X", "utf8", "-m", "bots.families.moss_plugins"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=PACKAGE,  # so that it imports this very package
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            return _result(process, f"{name}\n{argument}", stop or threading.Event())
        finally:
            process.kill()


def _result(process: subprocess.Popen[str], request: str, stop: threading.Event) -> str:
    ends = time.monotonic() + SECONDS
    given: str | None = request
    while True:
        try:
            result, _ = process.communicate(given, timeout=LOOK)
        except subprocess.TimeoutExpired:
            given = None  # it has its input
            if stop.is_set():
                return "error: stopped"
            if time.monotonic() > ends:
                return "error: it takes too long"
        else:
            return result.strip() if process.returncode == 0 else "error: it cannot be computed"
