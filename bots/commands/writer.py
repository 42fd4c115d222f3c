"""Write a model's folder atomically, its safetensors shard by shard."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from safetensors.torch import save_file

from bots.checkpoints.builtin import MANIFEST
from bots.checkpoints.load_errors import one_sentence
from bots.checkpoints.shards import INDEXES
from bots.errors import ConfigError

FAMILY = "chatzoo_family"
"""Field of config.json with the family. Needed because one architecture can have several prompt
formats."""

SHARD = 1 << 30
"""Bytes of tensors per file, which stay in memory until they are written; a larger tensor gets a
file of its own."""


def check_out(folder: Path) -> None:
    """Raise ConfigError unless `folder` is missing or empty."""
    with one_sentence("write", str(folder)):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(
                f"{str(folder)!r} exists already: name a folder that does not.", param="out"
            )


@contextmanager
def written_atomically(folder: Path) -> Iterator[Path]:
    """Context manager that yields the new folder `folder`.partial and renames it to `folder` at the
    end.

    After an error `folder`.partial is removed. Raises ConfigError where `folder` exists and is not
    empty, LoadError where it cannot be written.
    """
    check_out(folder)
    partial = folder.with_name(f"{folder.name}.partial")
    try:
        with one_sentence("write", str(folder)):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
        yield partial
        with one_sentence("write", str(folder)):
            if folder.exists():
                folder.rmdir()
            partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def as_json(content: Mapping[str, Any]) -> str:
    """The text of a JSON file."""
    return json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def with_family(config: dict[str, Any], family: str) -> dict[str, Any]:
    """The content of config.json with the family as `FAMILY`, unless it is "auto"."""
    return config if family == "auto" else {**config, FAMILY: family}


def add_missing_files(source: Path, target: Path, family: str) -> None:
    """Copy the source's small files that a library did not write to `target`, and add the family to
    its config.json."""
    for file in small_files(source):
        if not (target / file.name).exists():
            shutil.copyfile(file, target / file.name)
    path = target / "config.json"
    config = json.loads(path.read_text("utf-8"))
    path.write_text(as_json(with_family(config, family)), "utf-8")


class Writer:
    """Context manager that writes a model folder and renames it into place at the end.

    `shard` is the size of a weight file in bytes. Raises what `written_atomically` raises.
    """

    def __init__(self, folder: Path, shard: int = SHARD) -> None:
        check_out(folder)
        self.size = 0
        """Bytes of all tensors so far."""
        self.partial = folder
        """The folder that receives the files while the context is open."""
        self._folder = folder
        self._limit = shard
        self._shard: dict[str, torch.Tensor] = {}
        self._shard_size = 0
        self._names_by_shard: list[list[str]] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.partial = self._stack.enter_context(written_atomically(self._folder))
        self._stack.push(self._finish_on_success)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _finish_on_success(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            with self._write_errors():
                self._finish()

    def _write_errors(self) -> AbstractContextManager[None]:
        return one_sentence("write", str(self._folder))

    def add(self, name: str, tensor: torch.Tensor) -> None:
        """Add one tensor to the current shard; writes the shard first if it would be too large."""
        if self._shard and self._shard_size + tensor.nbytes > self._limit:
            with self._write_errors():
                self._flush()
        # A view would keep its mapped file or larger tensor in memory, and safetensors refuses it.
        self._shard[name] = tensor.clone(memory_format=torch.contiguous_format)
        self._shard_size += tensor.nbytes
        self.size += tensor.nbytes

    def add_json(self, name: str, content: dict[str, Any]) -> None:
        """Write one JSON file."""
        self.add_text(name, as_json(content))

    def add_text(self, name: str, text: str) -> None:
        """Write one text file."""
        with self._write_errors():
            (self.partial / name).write_text(text, "utf-8")

    def copy(self, files: Iterable[Path]) -> None:
        """Copy files into the folder."""
        with self._write_errors():
            for file in files:
                shutil.copyfile(file, self.partial / file.name)

    def _flush(self) -> None:
        """Write the current shard. Its final name contains the number of shards, so it gets a
        temporary one."""
        number = len(self._names_by_shard)
        save_file(self._shard, self.partial / _temporary_name(number), metadata={"format": "pt"})
        self._names_by_shard.append(list(self._shard))
        self._shard, self._shard_size = {}, 0

    def _finish(self) -> None:
        """Write the last shard, rename all of them, and write their index if there are several."""
        if self._shard:
            self._flush()
        count = len(self._names_by_shard)
        names = ["model.safetensors"]
        if count > 1:
            names = [f"model-{n + 1:05d}-of-{count:05d}.safetensors" for n in range(count)]
        for number, name in enumerate(names[:count]):
            (self.partial / _temporary_name(number)).rename(self.partial / name)
        if count > 1:
            shards = zip(names, self._names_by_shard, strict=True)
            index = {tensor: name for name, tensors in shards for tensor in tensors}
            content = {"metadata": {"total_size": self.size}, "weight_map": index}
            self.add_json(INDEXES[0], content)


def _temporary_name(number: int) -> str:
    return f"part-{number:05d}.safetensors"


def small_files(folder: Path, exclude: Callable[[str], bool] = lambda name: False) -> list[Path]:
    """The files of a folder other than weights (configs, tokenizers, licenses).

    Leaves out those for whose name `exclude` returns true.
    """
    kinds = (".json", ".model", ".txt", ".jinja", ".tiktoken", ".md")
    return [
        file
        for file in sorted(folder.iterdir())
        if file.is_file()
        and (file.suffix in kinds or file.name.startswith("LICENSE"))
        and not file.name.endswith((".index.json", MANIFEST))
        and not exclude(file.name)
    ]
