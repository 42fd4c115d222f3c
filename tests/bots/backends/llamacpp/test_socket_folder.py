"""The folder of llama.cpp's socket, and what killed workers left."""

import os
import socket
import tempfile
import time
from pathlib import Path

import pytest

from bots.backends.llamacpp.socket_folder import private_folder, remove_leftovers
from bots.errors import LoadError


def socket_in(folder: Path, age: float = 60) -> socket.socket:
    """A socket as llama.cpp's, listening; closing it leaves its file, as a killed worker does."""
    folder.mkdir()
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(folder / "llama.sock"))
    made.listen()
    then = time.time() - age
    os.utime(folder / "llama.sock", (then, then))
    return made


def test_what_killed_workers_left_is_removed_at_the_next_load() -> None:
    """Only dead sockets of this kind, alone in their folder."""
    # Not pytest's own folder, whose name is too long for a socket.
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        root = Path(name)
        socket_in(root / "chatzoo-dead").close()
        socket_in(root / "chatzoo-young", age=0).close()  # may be about to listen
        socket_in(root / "chatzoo-shared").close()
        (root / "chatzoo-shared" / "notes.txt").write_text("mine")
        socket_in(root / "other").close()
        (root / "chatzoo-file").write_text("mine")
        (root / "chatzoo-empty").mkdir()
        (root / "chatzoo-link").symlink_to(root / "other")
        (root / "chatzoo-folder" / "llama.sock").mkdir(parents=True)
        with socket_in(root / "chatzoo-alive"):
            before = {one.name for one in root.iterdir()}
            remove_leftovers(root)
            assert before - {one.name for one in root.iterdir()} == {"chatzoo-dead"}
            assert (root / "other" / "llama.sock").exists()


def test_a_new_folder_is_made_after_old_ones_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that restarts do not fill the disk with names."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        monkeypatch.setattr("tempfile.tempdir", name)
        socket_in(Path(name) / "chatzoo-dead").close()
        folder = private_folder()
        assert list(Path(name).iterdir()) == [folder]
        assert folder.stat().st_mode & 0o077 == 0


def test_a_deep_folder_for_temporary_files_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket's path may have about 104 bytes."""
    deep = tmp_path / ("deep" * 25)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    folder = private_folder()
    try:
        assert folder.parent == Path("/tmp")
        assert list(deep.iterdir()) == []
    finally:
        folder.rmdir()


def test_a_system_without_unix_sockets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is made."""
    monkeypatch.delattr(socket, "AF_UNIX")
    with pytest.raises(LoadError, match="Unix sockets only"):
        private_folder()
