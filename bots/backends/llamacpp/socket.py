"""The folder of llama.cpp's Unix socket, made for this user alone, and how to ask over it.

A worker that is killed leaves its folder behind; the next load removes it. Knows nothing of models.
"""

import contextlib
import http.client
import json
import os
import socket
import stat
import tempfile
import time
from pathlib import Path
from typing import Any

from bots.errors import BotError, LoadError

SOCKET = "llama.sock"
"""llama.cpp knows a socket by this ending."""

_PREFIX = "chatzoo-"
_FOLDER_LENGTH = 90  # of the about 104 bytes that systems allow for a socket's name
_SETTLED = 2.0
"""Seconds after which a socket that nobody answers is not about to be listened on any more."""

_ANSWERED = 60.0
"""Seconds until llama.cpp is thought not to answer."""


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("llama.cpp", timeout=_ANSWERED)
        self._path = path

    def connect(self) -> None:
        """Open it."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(path: str, method: str, url: str, body: object = None) -> tuple[int, Any]:
    """Status and JSON of one answer, over a connection of its own, which costs less on such a
    socket than a pool of them. From any thread. Raises BotError where nobody answers."""
    with contextlib.closing(_Connection(path)) as connection:
        try:
            connection.request(method, url, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.load(answer)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise BotError(f"llama.cpp does not answer: {error!r}.") from error


def private_folder() -> Path:
    """A new folder that only this user can open, its name short enough for a socket in it.

    Raises LoadError where there are no Unix sockets.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise LoadError("GGUF files are run on systems with Unix sockets only: Linux and macOS.")
    folder = _new_in(None)
    if len(os.fsencode(folder)) > _FOLDER_LENGTH:
        folder.rmdir()
        folder = _new_in("/tmp")  # noqa: S108 (mkdtemp makes the name)
    return folder


def remove_leftovers(root: Path) -> None:
    """Remove this user's folders in `root` that hold a dead socket of llama.cpp and nothing else.

    What cannot be looked at, or removed, stays.
    """
    for folder in root.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if _is_leftover(folder):
                (folder / SOCKET).unlink()
                folder.rmdir()


def _new_in(root: str | None) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
    remove_leftovers(folder.parent)
    return folder


def _is_leftover(folder: Path) -> bool:
    """Whether nobody listens on the socket in `folder` any more. Raises OSError."""
    mine = folder.lstat()
    if not stat.S_ISDIR(mine.st_mode) or mine.st_uid != os.getuid():
        return False
    if os.listdir(folder) != [SOCKET]:
        return False
    found = (folder / SOCKET).lstat()
    if not stat.S_ISSOCK(found.st_mode) or time.time() - found.st_mtime < _SETTLED:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(folder / SOCKET))
        except ConnectionRefusedError:
            return True
    return False
