"""The tensors in a checkpoint's files: safetensors, or torch's pickles of tensors alone.

Files are mapped into memory. Pages of a mapping that were read stay resident as long as the mapping
does, so a shard is released when its last expected tensor was read, and mapped again after each
window of bytes. Beyond the model about one window is resident. Files that torch wrote before 1.6
are no zip files and cannot be mapped: they are read as a whole.
"""

import json
import pickle
import threading
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from bots.errors import LoadError
from bots.progress import Progress

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
SINGLES = ("model.safetensors", "pytorch_model.bin")
GPTQ = "gptq_model-*.safetensors"
WINDOW = 64 << 20
"""Bytes read of a mapped file before it is mapped again. Smaller windows save little beside a model
of gigabytes, and mapping costs about a millisecond."""

SHOWN = 8
"""How many names an error lists before it says how many more there are."""


def listed(names: Iterable[str]) -> str:
    """The first few names and the number of the others, for an error."""
    ordered = sorted(names)
    more = f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    return ", ".join(ordered[:SHOWN]) + more


class Shards:
    """The tensors of a folder, or of one file, by name.

    `window` is the number of bytes read of a file before it is mapped again. Raises LoadError when
    a file is missing, damaged, of another kind or does not have the tensors that the index lists.
    """

    def __init__(
        self, folder: Path, progress: Progress | None = None, *, window: int = WINDOW
    ) -> None:
        self._window = window
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
        """Announce how often each tensor will be read; a shard is released after its last one."""
        for name, count in counts.items():
            self._wanted.setdefault(self._where[name], {})[name] = count

    def read(self, name: str) -> torch.Tensor:
        """Read one tensor, on the CPU, perhaps as a view of the mapped file. Thread-safe."""
        path = self._where[name]
        with self._lock:
            shard = self.open.get(path)
            if shard is None:
                shard = self.open[path] = _opened(path)
            tensor = _tensor(shard, name)
            self._count(path, name, tensor.nbytes)
        return tensor

    def read_as(self, name: str, dtype: torch.dtype) -> torch.Tensor:
        """Read one tensor, in `dtype` if it is of floating point and larger than the window.

        It is converted one window at a time, each from a new mapping. Otherwise the tensor of the
        file and the converted one would be resident together.
        """
        path, tensor = self._where[name], self.read(name)
        large = tensor.nbytes > self._window and _is_mapped(path)
        if not large or not tensor.is_floating_point() or tensor.dtype == dtype:
            return tensor
        converted = torch.empty(tensor.shape, dtype=dtype)
        rows = max(1, self._window // tensor[0].nbytes)
        del tensor
        for start in range(0, len(converted), rows):
            converted[start : start + rows] = _tensor(_opened(path), name)[start : start + rows]
        return converted

    def _count(self, path: Path, name: str, size: int) -> None:
        wanted = self._wanted.get(path)
        if wanted is None or name not in wanted:
            return
        self._seen[path] = self._seen.get(path, 0) + size
        if self._seen[path] > self._window and _is_mapped(path):
            # The next read maps the file again; tensors that are still in use keep the old mapping.
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
    if quantized := sorted(folder.glob(GPTQ)):
        return quantized
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
        # torch raises the same class for damaged files; only a refusal has these words.
        if "Weights only" not in str(error):
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
