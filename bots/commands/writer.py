"""Write a model's folder: safetensors shard by shard, complete or not at all."""

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
"""Field of config.json with the family, which decides the prompt; the architecture may not."""

SHARD = 1 << 30
"""Bytes of tensors in a file (one tensor may be larger), which are held in memory until written."""


def check_out(folder: Path) -> None:
    """Raise ConfigError unless `folder` is missing or empty."""
    with one_sentence("write", str(folder)):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(
                f"{str(folder)!r} exists already: name a folder that does not.", param="out"
            )


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """A context with the folder `folder`.partial, which is renamed to `folder` at its end.

    After an error it is removed. Raises ConfigError where `folder` exists and is not empty,
    LoadError where it cannot be written.
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


def family_noted(config: dict[str, Any], family: str) -> dict[str, Any]:
    """config.json with the family, unless it is "auto"."""
    return config if family == "auto" else {**config, FAMILY: family}


def complete(source: Path, made: Path, family: str) -> None:
    """Add what a library leaves out when it saves a model: the source's small files, the family."""
    for file in small_files(source):
        if not (made / file.name).exists():
            shutil.copyfile(file, made / file.name)
    path = made / "config.json"
    config = json.loads(path.read_text("utf-8"))
    path.write_text(as_json(family_noted(config, family)), "utf-8")


class Writer:
    """A context that writes a model's files into a folder, which appears when it ends; see `whole`.

    `shard` is the size of a weight file in bytes.
    """

    def __init__(self, folder: Path, shard: int = SHARD) -> None:
        check_out(folder)
        self.size = 0
        """Bytes of all tensors so far."""
        self.partial = folder
        """The folder that is written to, within the context."""
        self._folder = folder
        self._limit = shard
        self._held: dict[str, torch.Tensor] = {}
        self._held_size = 0
        self._files: list[list[str]] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.partial = self._stack.enter_context(whole(self._folder))
        self._stack.push(self._last)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _last(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            with self._writing():
                self._finish()

    def _writing(self) -> AbstractContextManager[None]:
        return one_sentence("write", str(self._folder))

    def add(self, name: str, tensor: torch.Tensor) -> None:
        """Write one tensor."""
        if self._held and self._held_size + tensor.nbytes > self._limit:
            with self._writing():
                self._flush()
        # A view would keep its mapped file or larger tensor in memory, and safetensors refuses it.
        self._held[name] = tensor.clone(memory_format=torch.contiguous_format)
        self._held_size += tensor.nbytes
        self.size += tensor.nbytes

    def add_json(self, name: str, content: dict[str, Any]) -> None:
        """Write one JSON file."""
        self.add_text(name, as_json(content))

    def add_text(self, name: str, text: str) -> None:
        """Write one text file."""
        with self._writing():
            (self.partial / name).write_text(text, "utf-8")

    def copy(self, files: Iterable[Path]) -> None:
        """Copy files into the folder."""
        with self._writing():
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


def small_files(folder: Path, but: Callable[[str], bool] = lambda name: False) -> list[Path]:
    """The files of a folder beside its weights (configs, tokenizers, licences), without `but`."""
    kinds = (".json", ".model", ".txt", ".jinja", ".tiktoken", ".md")
    return [
        file
        for file in sorted(folder.iterdir())
        if file.is_file()
        and (file.suffix in kinds or file.name.startswith("LICENSE"))
        and not file.name.endswith((".index.json", MANIFEST))
        and not but(file.name)
    ]
