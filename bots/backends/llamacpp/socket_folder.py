"""The folder of llama.cpp's Unix socket, which only this user can open.

Also removes the folders of workers that were killed. Knows neither HTTP nor models.
"""

import contextlib
import os
import socket
import stat
import tempfile
import time
from pathlib import Path

from bots.errors import LoadError

SOCKET = "llama.sock"
"""Name of the socket in its folder. The ending makes llama.cpp take a host name for a socket."""

_PREFIX = "chatzoo-"
_MAX_FOLDER_BYTES = 90
"""Systems allow 104 to 108 bytes for a socket's path; this leaves room for `/llama.sock`."""

_STARTUP_SECONDS = 2.0
"""A younger socket that refuses connections may belong to a server between `bind` and `listen`."""


def private_folder() -> Path:
    """Make a folder with mode 0700 and a path short enough for a socket in it.

    Raises LoadError on a system without Unix sockets.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise LoadError("GGUF files are run on systems with Unix sockets only: Linux and macOS.")
    folder = _new_in(None)
    if len(os.fsencode(folder)) > _MAX_FOLDER_BYTES:
        # TMPDIR may be deep, as macOS's is; /tmp is short everywhere.
        folder.rmdir()
        folder = _new_in("/tmp")  # noqa: S108 (mkdtemp makes the name)
    return folder


def remove_leftovers(root: Path) -> None:
    """Remove this user's folders in `root` that contain a dead socket of llama.cpp, nothing else.

    A folder that cannot be read or removed stays, as another process may be removing it too.
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
    """Whether `folder` contains only a socket on which no process listens. Raises OSError.

    The folder lies where every user can write, so nothing is assumed of it: links, other users'
    folders and folders with further files are no leftovers.
    """
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        return False
    if os.listdir(folder) != [SOCKET]:
        return False
    status = (folder / SOCKET).lstat()
    if not stat.S_ISSOCK(status.st_mode) or time.time() - status.st_mtime < _STARTUP_SECONDS:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(folder / SOCKET))
        except ConnectionRefusedError:
            return True
    return False
