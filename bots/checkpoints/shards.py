"""The tensors in a checkpoint's files, read one at a time and let go of shard by shard.

Knows safetensors and torch's zip files, with or without an index; knows no model. Files are mapped
into memory, and a mapping is dropped once a part of it (`WINDOW`) or its last wanted tensor was
read, so what is resident beyond the model is about that part. (Files written by torch before 1.6
cannot be mapped: they are read as a whole.)
"""

import json
import pickle
import threading
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from bots.errors import LoadError

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
SINGLES = ("model.safetensors", "pytorch_model.bin")
GPTQ = "gptq_model-*.safetensors"
WINDOW = 64 << 20
"""Bytes that are read of a mapped file before it is mapped anew: what was read stays resident as
long as its mapping."""

SHOWN = 8
"""How many names an error lists before it says how many more there are."""

Progress = Callable[[str, float | None], None]


def listed(names: Iterable[str]) -> str:
    """The first few names and the number of the others, for an error."""
    ordered = sorted(names)
    more = f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    return ", ".join(ordered[:SHOWN]) + more


class Shards:
    """The tensors of a folder, or of one file.

    Raises LoadError when a file is missing, damaged, of another kind or not what the index says.
    """

    def __init__(self, folder: Path, progress: Progress | None = None) -> None:
        self.files = weight_files(folder) if folder.is_dir() else [folder]
        self._lock = threading.Lock()
        self.open: dict[Path, Any] = {}
        """The files that are mapped now."""
        self._wanted: dict[Path, dict[str, int]] = {}
        self._where: dict[str, Path] = {}
        self._seen: dict[Path, int] = {}
        for number, path in enumerate(self.files):
            for name in _names(_opened(path)):
                self._where[name] = path
            if progress is not None:
                progress("checking the files", (number + 1) / len(self.files))
        _check_index(folder, self._where)

    @property
    def names(self) -> frozenset[str]:
        """The names of all tensors."""
        return frozenset(self._where)

    def expect(self, counts: Mapping[str, int]) -> None:
        """Say how often each tensor will be read, so that a shard can be let go of."""
        for name, count in counts.items():
            self._wanted.setdefault(self._where[name], {})[name] = count

    def read(self, name: str) -> torch.Tensor:
        """One tensor, on the CPU, perhaps a view of a mapped file. Safe to call from threads."""
        path = self._where[name]
        with self._lock:
            shard = self.open.get(path)
            if shard is None:
                shard = self.open[path] = _opened(path)
            tensor = _tensor(shard, name)
            self._count(path, name, tensor.nbytes)
        return tensor

    def read_as(self, name: str, dtype: torch.dtype) -> torch.Tensor:
        """One tensor, in this dtype if it is of floating point and large.

        It is converted some rows at a time, each time from a new mapping, so that the file is not
        resident beside what is made of it.
        """
        path, tensor = self._where[name], self.read(name)
        large = tensor.nbytes > WINDOW and _is_mapped(path)
        if not large or not tensor.is_floating_point() or tensor.dtype == dtype:
            return tensor
        made = torch.empty(tensor.shape, dtype=dtype)
        rows = max(1, WINDOW // tensor[0].nbytes)
        del tensor
        for start in range(0, len(made), rows):
            made[start : start + rows] = _tensor(_opened(path), name)[start : start + rows]
        return made

    def _count(self, path: Path, name: str, size: int) -> None:
        wanted = self._wanted.get(path)
        if wanted is None or name not in wanted:
            return
        self._seen[path] = self._seen.get(path, 0) + size
        if self._seen[path] > WINDOW and _is_mapped(path):
            self.open.pop(path, None)
            self._seen[path] = 0
        wanted[name] -= 1
        if wanted[name] <= 0:
            del wanted[name]
        if not wanted:
            self.open.pop(path, None)


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a folder: safetensors before pickles, an index before a single file.

    Raises LoadError when there are none, or when one that the index names is missing.
    """
    for name in INDEXES:
        if (folder / name).is_file():
            return _indexed(folder, _index(folder / name))
    for name in SINGLES:
        if (folder / name).is_file():
            return [folder / name]
    if found := sorted(folder.glob(GPTQ)):
        return found
    others = sorted(folder.glob("*.safetensors"))
    if len(others) == 1:
        return others
    raise LoadError(f"{str(folder)!r} has no weights: none of {', '.join((*INDEXES, *SINGLES))}.")


def _index(path: Path) -> dict[str, str]:
    try:
        names: dict[str, str] = json.loads(path.read_text("utf-8"))["weight_map"]
        return {str(name): str(file) for name, file in names.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LoadError(f"{path.name} is not an index of shards: {error}.") from error


def _indexed(folder: Path, index: dict[str, str]) -> list[Path]:
    names = sorted(set(index.values()))
    if outside := [name for name in names if Path(name).name != name]:
        raise LoadError(f"The index names files outside of its folder: {listed(outside)}.")
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise LoadError(
            f"{len(missing)} of {len(names)} shards are missing from {str(folder)!r}:"
            f" {listed(missing)}."
        )
    return [folder / name for name in names]


def _check_index(folder: Path, where: Mapping[str, Path]) -> None:
    """Raise LoadError unless every tensor is in the shard that the index says."""
    for name in INDEXES:
        if (folder / name).is_file():
            index = _index(folder / name)
            wrong = [one for one, file in index.items() if where.get(one) != folder / file]
            if wrong:
                raise LoadError(f"Not in the shard that {name} says: {listed(wrong)}.")
            if extra := where.keys() - index.keys():
                raise LoadError(f"In the shards, but not in {name}: {listed(extra)}.")
            return


def _opened(path: Path) -> Any:
    """The tensors of one file by name: a dict, or an open safetensors file."""
    size = path.stat().st_size
    try:
        if path.suffix == ".safetensors":
            return safe_open(path, framework="pt")
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_mapped(path))
    except pickle.UnpicklingError as error:
        if "Weights only" not in str(error):  # what torch says when it refuses, not when it fails
            raise _damaged(path, size, error) from error
        raise LoadError(
            f"{path.name} holds more than tensors: reading it could run code that it brings, so it"
            " is refused. Ask its author for safetensors."
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, SafetensorError) as error:
        raise _damaged(path, size, error) from error
    if not isinstance(loaded, dict) or not loaded:
        raise LoadError(f"{path.name} is no state dict, but a {type(loaded).__name__}.")
    if other := [str(name) for name, one in loaded.items() if not isinstance(one, torch.Tensor)]:
        raise LoadError(f"{path.name} is no state dict: no tensors at {listed(other)}.")
    return loaded


def _is_mapped(path: Path) -> bool:
    return path.suffix == ".safetensors" or zipfile.is_zipfile(path)


def _damaged(path: Path, size: int, error: Exception) -> LoadError:
    reason = " ".join(str(error).split())[:200]
    return LoadError(
        f"{path.name} ({size:,} bytes) is damaged or cut short; fetch it again. ({reason})"
    )


def _names(shard: Any) -> list[str]:
    return list(shard.keys())  # safe_open is no mapping and cannot be iterated


def _tensor(shard: Any, name: str) -> torch.Tensor:
    tensor: torch.Tensor = shard[name] if isinstance(shard, dict) else shard.get_tensor(name)
    return tensor
