"""A child process: its lines, its end, and the end of all that it started."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from server.hub.process import MAX_LINE, ChildProcess, LineSplitter, start_child
from tests.server.hub.conftest import ROOT, runs
from tests.support import eventually


def run(script: str, use: Callable[[ChildProcess], object], lines: list[str]) -> None:
    async def main() -> None:
        child = await start_child(
            [sys.executable, "-c", script], os.environ | {"WORD": "été"}, lines.append
        )
        try:
            await use(child)  # type: ignore[misc]
        finally:
            child.kill()
            await child.wait()

    asyncio.run(main())


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines_do_not_depend_on_how_bytes_arrive(size: int) -> None:
    data = "one\ntwo\r\n 50%\r100%\n\nzwölf".encode()
    found: list[str] = []
    lines = LineSplitter(found.append)
    for start in range(0, len(data), size):
        lines.feed(data[start : start + size])
    lines.finish()
    assert found == ["one", "two", " 50%", "100%", "zwölf"]


def test_a_line_without_end_is_not_collected_for_ever() -> None:
    found: list[str] = []
    lines = LineSplitter(found.append)
    for _ in range(3):
        lines.feed(b"x" * MAX_LINE)
    assert sum(map(len, found)) >= 2 * MAX_LINE


def test_output_and_exit_code() -> None:
    lines: list[str] = []

    async def use(child: ChildProcess) -> None:
        assert await child.wait() == 3
        assert child.stderr_tail == "Error: it broke"

    script = (
        "import os, sys; print(os.environ['WORD']);"
        "print('Error: it broke', end='', file=sys.stderr); sys.exit(3)"
    )
    run(script, use, lines)
    assert sorted(lines) == ["Error: it broke", "été"]


PARENT = """
import asyncio, os, sys
from server.hub.process import start_child

async def main():
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    child = await start_child(command, os.environ, print)
    print(child.pid, flush=True)
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""


def test_its_input_ends_when_the_parent_is_killed() -> None:
    parent = subprocess.run(
        [sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, timeout=60
    )
    assert parent.returncode == -9
    eventually(lambda: not runs(int(parent.stdout)), "the end of the child")


async def ended(pid: int) -> None:
    await asyncio.to_thread(eventually, lambda: not runs(pid), "the end of the grandchild")


STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(other.pid, flush=True)
time.sleep(600)
"""


def test_a_process_that_ignores_sigterm_is_killed_with_its_group() -> None:
    lines: list[str] = []

    async def use(child: ChildProcess) -> None:
        async with asyncio.timeout(30):
            while not lines:  # noqa: ASYNC110 (there is no event to wait for)
                await asyncio.sleep(0.01)
        await child.stop(grace=0.2)
        assert await child.wait() == -9
        await ended(int(lines[0]))

    run(STUBBORN, use, lines)


def test_what_a_child_leaves_behind_is_killed() -> None:
    lines: list[str] = []
    script = STUBBORN.replace("time.sleep(600)\n", "")

    async def use(child: ChildProcess) -> None:
        assert await child.wait() == 0
        await ended(int(lines[0]))

    run(script, use, lines)
