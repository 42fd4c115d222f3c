"""The lock between processes and the temporary folders of a cache."""

import hashlib
from pathlib import Path

import pytest
from filelock import FileLock

from bots.checkpoints.cache_files import locked, scratch_folder, sha256_of


def test_the_hash_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_progress_is_reported_while_another_holds_the_lock_and_may_give_up(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    path.parent.mkdir()
    seen: list[str] = []

    def stop(stage: str, done: float | None) -> None:
        seen.append(stage)
        raise InterruptedError

    with FileLock(path), pytest.raises(InterruptedError), locked(path, stop):
        pass
    assert seen == ["Waiting for another process that prepares the built-in model"]
    with locked(path, stop):  # free again: nothing is reported
        assert len(seen) == 1


def test_a_scratch_folder_replaces_those_that_were_left(tmp_path: Path) -> None:
    (tmp_path / ".fetch-left").mkdir()
    (tmp_path / ".other-left").mkdir()
    with scratch_folder(tmp_path, "fetch-") as scratch:
        assert scratch.parent == tmp_path
        assert not (tmp_path / ".fetch-left").exists()
    assert [path.name for path in tmp_path.iterdir()] == [".other-left"]
