"""Files of a cache that several processes share: hashes, a lock, temporary folders."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bots.progress import Progress


def sha256_of(file: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def locked(path: Path, progress: Progress) -> Iterator[None]:
    """Hold a lock between processes, reporting to `progress` while it waits for another one.

    The operating system releases it when the process ends, however it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    while True:
        # With a time limit `progress` is called again and again, and may raise to give up.
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            progress("Waiting for another process that prepares the built-in model", None)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def scratch_folder(folder: Path, prefix: str) -> Iterator[Path]:
    """A temporary folder in `folder`, on the same disk, so that results can be renamed into place.

    Removes folders of the same prefix that killed processes left: the caller must hold the lock.
    """
    for left_over in folder.glob(f".{prefix}*"):
        shutil.rmtree(left_over, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".{prefix}", dir=folder) as scratch:
        yield Path(scratch)
