"""Weights that were published as the difference to a base model, added to it.

EduChat's and Vicuna v1.1's: each tensor is the model's less the base's, in half precision, and the
sum is made in half precision too
(https://github.com/lm-sys/FastChat/blob/main/fastchat/model/apply_delta.py).
"""

from collections.abc import Callable
from pathlib import Path

import torch

from bots.builtin import MANIFEST
from bots.checkpoints.shards import Progress, Shards, listed
from bots.checkpoints.writer import SHARD, Writer
from bots.errors import LoadError

_MADE_ANEW = ".rotary_emb.inv_freq"
"""What old LLaMA files carry and no class reads."""


def apply_delta(
    base: Path, delta: Path, out: Path, progress: Progress, *, shard: int = SHARD
) -> int:
    """Write base + delta to the folder `out`; returns its weights' size in bytes.

    The config and the tokenizer are the delta's. Rows that only the delta has, of tokens that its
    vocabulary adds, are taken as they are. Memory: one shard and two tensors. Raises LoadError
    where the two do not fit together, ConfigError where `out` exists.
    """
    old, new = Shards(base, progress), Shards(delta, progress)
    names = [name for name in sorted(new.names) if not name.endswith(_MADE_ANEW)]
    known = {name for name in old.names if not name.endswith(_MADE_ANEW)}
    for has, lacks, only in (
        ("delta", "base", set(names) - known),
        ("base", "delta", known - set(names)),
    ):
        if only:
            raise LoadError(
                f"The {has} has tensors that the {lacks} has not, so they are not of one"
                f" architecture: {listed(only)}."
            )
    for shards in (old, new):
        shards.expect(dict.fromkeys(names, 1))
    with Writer(out, shard) as writer:
        for number, name in enumerate(names):
            writer.add(name, _sum(name, old.read(name), new.read(name)))
            progress("adding", (number + 1) / len(names))
        writer.copy(small_files(delta))
    return writer.size


def _sum(name: str, base: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
    if base.ndim == 0 or base.shape[1:] != delta.shape[1:] or len(base) > len(delta):
        raise LoadError(
            f"{name} is {list(base.shape)} in the base and {list(delta.shape)} in the delta, so"
            " they are not of one architecture."
        )
    total = delta.clone()
    total[: len(base)] += base.to(delta.dtype)
    return total


def small_files(folder: Path, but: Callable[[str], bool] = lambda name: False) -> list[Path]:
    """The files of a model's folder beside its weights: configs, tokenizers, licences."""
    kinds = (".json", ".model", ".txt", ".jinja", ".tiktoken", ".md")
    return [
        file
        for file in sorted(folder.iterdir())
        if file.is_file()
        and (file.suffix in kinds or file.name.startswith("LICENSE"))
        and not file.name.endswith((".index.json", MANIFEST))
        and not but(file.name)
    ]
