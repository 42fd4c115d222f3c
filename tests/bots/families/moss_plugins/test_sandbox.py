"""A tool's result, or an error within a bounded time."""

import threading
import time

from bots.families.moss_plugins.sandbox import TIMEOUT_S, run_tool

ENDLESS = "x^200+y^199+x*y=3; x^50*y^70+sin(x*y)=2"


def test_a_result() -> None:
    """The argument may have several lines and any characters."""
    assert run_tool("Solve", "x+y=3\nx－y=1") == "x = 2, y = 1"


def test_a_tool_that_takes_too_long_is_ended() -> None:
    """By the clock."""
    assert run_tool("Solve", ENDLESS, timeout_s=0.3) == "error: it takes too long"


def test_stop_ends_a_tool() -> None:
    """Long before its timeout."""
    stop = threading.Event()
    stop.set()
    begun = time.monotonic()
    assert run_tool("Solve", ENDLESS, stop) == "error: stopped"
    assert time.monotonic() - begun < TIMEOUT_S / 2


def test_a_tool_that_fails_is_an_error() -> None:
    """Its traceback is not shown."""
    assert run_tool("Draw", "a circle") == "error: it cannot be computed"
