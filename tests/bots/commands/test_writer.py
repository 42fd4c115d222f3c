"""A model's folder is there when all of it is written, or not at all."""

import errno
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from bots.checkpoints.shards import Shards
from bots.commands import writer as writers
from bots.commands.writer import Writer, written_atomically
from bots.errors import ConfigError, LoadError


def fails(*_: Any, **__: Any) -> None:
    """The disk is full."""
    raise SafetensorError("I/O error: No space left on device (os error 28)")


def write(out: Path, shard: int = 1 << 20, error: BaseException | None = None) -> None:
    """Two tensors, and perhaps an error between them."""
    with Writer(out, shard) as writer:
        writer.add("a", torch.ones(3))
        if error:
            raise error
        writer.add("b", torch.ones(3))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()  # empty: as if it were not there
    with Writer(out, shard=16) as writer:
        writer.add("a", torch.ones(3))
        writer.add("b", torch.zeros(3))
        assert [path.name for path in tmp_path.iterdir() if path != out] == ["out.partial"]
    assert torch.equal(Shards(out).read("a"), torch.ones(3))
    assert len(Shards(out).files) == 2
    assert writer.size == 24
    with pytest.raises(ConfigError, match="exists already"):
        Writer(out)


@pytest.mark.parametrize("shard", [1, 1 << 20])
def test_a_full_disk_leaves_nothing(
    shard: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle, and with the last shard."""
    monkeypatch.setattr(writers, "save_file", fails)
    with pytest.raises(LoadError, match=r"Cannot write '.*out': I/O error: No space left"):
        write(tmp_path / "out", shard)
    assert list(tmp_path.iterdir()) == []


def test_other_errors_leave_nothing_and_are_as_they_were(tmp_path: Path) -> None:
    for error in (OSError(errno.EIO, "cannot read"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught:
            write(tmp_path / "out", error=error)
        assert caught.value is error
        assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(LoadError, match="Cannot write"),
        written_atomically(tmp_path / "file" / "out"),
    ):
        pass
