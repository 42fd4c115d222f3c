"""One child process in a session of its own: its lines, its end, its stopping.

The write end of its standard input stays here: when the hub dies, however it dies, the child reads
the end of its input. Knows nothing of workers.
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
LAST_LINES = 12
LINGER = 1.0


class Lines:
    """Cuts bytes into lines of text; a carriage return ends one too, as progress bars use it."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take bytes, give whole lines."""
        *lines, self._rest = re.split(rb"[\r\n]+", self._rest + data)
        if len(self._rest) > MAX_LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._give(line)

    def finish(self) -> None:
        """Give what has no line end."""
        self._give(self._rest)
        self._rest = b""

    def _give(self, line: bytes) -> None:
        if text := line.decode("utf-8", "replace").rstrip():
            self._take(text)


class Child(asyncio.SubprocessProtocol):
    """A running process and, in its own session, whatever it starts. Made by `start_child`."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._ended = asyncio.Event()
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._pipes = {1: Lines(on_line), 2: Lines(self._error_line)}
        self._transport: asyncio.SubprocessTransport | None = None
        self._late: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int:
        """The process id, which is the id of its group too."""
        assert self._transport is not None
        return self._transport.get_pid()

    @property
    def last_words(self) -> str:
        """The last lines that it wrote to its standard error."""
        return "\n".join(self._last)

    async def wait(self) -> int:
        """The exit code, once the process has ended; negative for a signal."""
        await self._ended.wait()
        assert self._transport is not None
        code = self._transport.get_returncode()
        assert code is not None
        return code

    async def stop(self, patience: float) -> None:
        """Ask it to end; after `patience` seconds end it and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(patience):
                await self._ended.wait()
        except TimeoutError:
            self.kill()
            await self._ended.wait()

    def kill(self) -> None:
        """End it, and all that it started, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    # -- what asyncio calls ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._pipes[fd].feed(data)

    def process_exited(self) -> None:
        self.kill()  # what it started and did not end itself
        # Its last words may still be in the pipes; `connection_lost` comes when they are read.
        self._late = asyncio.get_running_loop().call_later(LINGER, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        assert self._transport is not None
        if self._late is not None:
            self._late.cancel()
        for lines in self._pipes.values():
            lines.finish()
        self._transport.close()
        self._ended.set()

    def _error_line(self, line: str) -> None:
        self._last.append(line)
        self._on_line(line)


async def start_child(
    command: Sequence[str], environment: Mapping[str, str], on_line: Callable[[str], None]
) -> Child:
    """Start `command` with this environment and no other; `on_line` gets each line that it writes.

    Raises OSError.
    """
    loop = asyncio.get_running_loop()
    _, child = await loop.subprocess_exec(
        lambda: Child(on_line),
        *command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    return child
