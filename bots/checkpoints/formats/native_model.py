"""What a format makes of an original checkpoint: a class, its config, and where tensors go."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bots.checkpoints.state_dict import Make, Targets, unchanged


@dataclass(frozen=True)
class NativeModel:
    """A checkpoint in terms of a class that transformers (or `bots.modeling`) has."""

    model_class: Any
    config: Any
    targets: Targets


def renamed(name: str, table: Sequence[tuple[str, str]]) -> str | None:
    """`name` by the first rule (pattern for the whole name, template) that matches it."""
    for pattern, template in table:
        if found := re.fullmatch(pattern, name):
            return found.expand(template)
    return None


def split_rows(sizes: Sequence[int], targets: Sequence[str]) -> Mapping[str, Make]:
    """Cut a tensor [sum(sizes), …] along its rows, one part for each target."""
    parts: dict[str, Make] = {}
    start = 0
    for size, target in zip(sizes, targets, strict=True):
        parts[target] = _rows(start, start + size)
        start += size
    return parts


def _rows(start: int, end: int) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda tensor: tensor[start:end]


def keep_names(name: str) -> Mapping[str, Make]:
    """Every tensor under its own name."""
    return {name: unchanged}
