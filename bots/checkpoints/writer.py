"""Writes a model's folder: safetensors shard by shard, whole or not at all."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from safetensors.torch import save_file

from bots.checkpoints.shards import INDEXES
from bots.errors import ConfigError

SHARD = 1 << 30
"""Bytes of tensors in a file, unless one tensor alone is larger. So much is held in memory."""


class Writer:
    """A folder that appears at `folder` when all of it is written; until then `folder`.partial.

    Use it as a context: after an error nothing is left. Raises ConfigError where `folder` exists
    and is not empty.
    """

    def __init__(self, folder: Path, shard: int = SHARD) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(
                f"{str(folder)!r} exists already: name a folder that does not.", param="out"
            )
        self.size = 0
        """Bytes of all tensors so far."""
        self._folder = folder
        self.partial = folder.with_name(f"{folder.name}.partial")
        self._limit = shard
        self._held: dict[str, torch.Tensor] = {}
        self._held_size = 0
        self._files: list[list[str]] = []

    def __enter__(self) -> Self:
        shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is not None:
            shutil.rmtree(self.partial, ignore_errors=True)
            return
        self._finish()
        if self._folder.exists():
            self._folder.rmdir()
        self.partial.rename(self._folder)

    def add(self, name: str, tensor: torch.Tensor) -> None:
        """Write one tensor."""
        if self._held and self._held_size + tensor.nbytes > self._limit:
            self._flush()
        # A view of a mapped or larger tensor would keep all of it, and may not be saved.
        self._held[name] = tensor.clone(memory_format=torch.contiguous_format)
        self._held_size += tensor.nbytes
        self.size += tensor.nbytes

    def add_json(self, name: str, content: dict[str, Any]) -> None:
        """Write one JSON file."""
        text = json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True)
        (self.partial / name).write_text(text + "\n", "utf-8")

    def copy(self, files: Iterable[Path]) -> None:
        """Copy files as they are."""
        for file in files:
            shutil.copyfile(file, self.partial / file.name)

    def _flush(self) -> None:
        number = len(self._files)
        save_file(self._held, self.partial / _part(number), metadata={"format": "pt"})
        self._files.append(list(self._held))
        self._held, self._held_size = {}, 0

    def _finish(self) -> None:
        if self._held:
            self._flush()
        count = len(self._files)
        names = ["model.safetensors"]
        if count > 1:
            names = [f"model-{n + 1:05d}-of-{count:05d}.safetensors" for n in range(count)]
        for number, name in enumerate(names[:count]):
            (self.partial / _part(number)).rename(self.partial / name)
        if count > 1:
            where = zip(names, self._files, strict=True)
            index = {tensor: name for name, tensors in where for tensor in tensors}
            content = {"metadata": {"total_size": self.size}, "weight_map": index}
            self.add_json(INDEXES[0], content)


def _part(number: int) -> str:
    return f"part-{number:05d}.safetensors"
