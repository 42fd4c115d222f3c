"""A child process in a session of its own: its lines, its end, stopping it.

Two things keep children from outliving the hub. The write end of a child's standard input is held
here and nowhere else: however the hub dies, the kernel closes it, and the child (which was started
with --exit-on-stdin-eof) reads the end of its input. And a child leads a process group: when it
ends or is killed, the whole group is killed, so that nothing that it started stays.

Knows nothing of workers.
"""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence

MAX_LINE = 8192
"""Bytes after which a line is cut: output without line ends must not be collected for ever."""
TAIL_LINES = 12
"""Lines of standard error that are kept as the reason of an end: a short traceback."""
PIPE_SECONDS = 1.0
"""How long output may still be read after the process has ended, if its pipes stay open."""


class LineSplitter:
    """Splits bytes into lines of text; a carriage return ends one too, as in progress bars."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Add bytes; calls `on_line` with each line that is now complete and not blank."""
        *lines, self._rest = re.split(rb"[\r\n]+", self._rest + data)
        if len(self._rest) > MAX_LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._emit(line)

    def finish(self) -> None:
        """Emit the last line, which may have no line end."""
        self._emit(self._rest)
        self._rest = b""

    def _emit(self, line: bytes) -> None:
        if text := line.decode("utf-8", "replace").rstrip():
            self._on_line(text)


class ChildProcess(asyncio.SubprocessProtocol):
    """A running process and, in its group, all that it starts. Made by `start_child`."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._ended = asyncio.Event()
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._pipes = {1: LineSplitter(on_line), 2: LineSplitter(self._on_error_line)}
        self._transport: asyncio.SubprocessTransport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        assert self._transport is not None
        return self._transport.get_pid()

    @property
    def stderr_tail(self) -> str:
        """The last lines of its standard error."""
        return "\n".join(self._tail)

    async def wait(self) -> int:
        """The exit code, once the process has ended; negative for a signal."""
        await self._ended.wait()
        assert self._transport is not None
        code = self._transport.get_returncode()
        assert code is not None
        return code

    async def stop(self, grace: float) -> None:
        """Send SIGTERM, and kill the group if the process still runs after `grace` seconds."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                await self._ended.wait()
        except TimeoutError:
            self.kill()
            await self._ended.wait()

    def kill(self) -> None:
        """Kill the process and all that it started."""
        # PermissionError: macOS raises it for a group in which only zombies are left.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    # -- called by asyncio -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._pipes[fd].feed(data)

    def process_exited(self) -> None:
        self.kill()  # the rest of the group
        # Its last lines may still be in the pipes; `connection_lost` is called once they are read.
        # That never happens while a process that left the group holds a pipe: hence the deadline.
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(PIPE_SECONDS, self._finish)

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish()

    def _finish(self) -> None:
        assert self._transport is not None
        if self._deadline is not None:
            self._deadline.cancel()
        for lines in self._pipes.values():
            lines.finish()
        self._transport.close()
        self._ended.set()

    def _on_error_line(self, line: str) -> None:
        self._tail.append(line)
        self._on_line(line)


async def start_child(
    command: Sequence[str], environment: Mapping[str, str], on_line: Callable[[str], None]
) -> ChildProcess:
    """Start `command` with exactly this environment; `on_line` gets each line of its output.

    Raises OSError.
    """
    loop = asyncio.get_running_loop()
    _, child = await loop.subprocess_exec(
        lambda: ChildProcess(on_line),
        *command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A session of its own: Ctrl-C in the terminal reaches the hub alone, which then stops its
        # workers in order, and `kill` reaches all that the child started.
        start_new_session=True,
    )
    return child
