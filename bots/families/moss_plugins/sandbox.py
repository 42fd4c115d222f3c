"""Run a tool in a process of its own, with limits on time and memory.

The tools are in `bots.families.moss_plugins.maths`.
"""

import subprocess
import sys
import threading
import time
from pathlib import Path

TIMEOUT_S = 10.0
"""Longest run of a tool, by the clock."""

POLL_S = 0.1
"""Interval for checking the stop event."""

ROOT = Path(__file__).parents[3]


def run_tool(
    name: str,
    argument: str,
    stop: threading.Event | None = None,
    timeout_s: float = TIMEOUT_S,
) -> str:
    """The result of `Calculate` or `Solve`, or `error: …`. Returns soon after `stop` is set."""
    command = [sys.executable, "-X", "utf8", "-m", "bots.families.moss_plugins"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,  # it imports the same `bots`
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            return _result(process, f"{name}\n{argument}", stop or threading.Event(), timeout_s)
        finally:
            process.kill()


def _result(
    process: subprocess.Popen[str], request: str, stop: threading.Event, timeout_s: float
) -> str:
    deadline = time.monotonic() + timeout_s
    unsent: str | None = request
    while True:
        try:
            result, _ = process.communicate(unsent, timeout=POLL_S)
        except subprocess.TimeoutExpired:
            unsent = None  # the first call has sent it
            if stop.is_set():
                return "error: stopped"
            if time.monotonic() > deadline:
                return "error: it takes too long"
        else:
            return result.strip() if process.returncode == 0 else "error: it cannot be computed"
