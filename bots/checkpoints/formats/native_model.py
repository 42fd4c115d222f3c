"""The native model of an original checkpoint, and helpers to rename and cut its tensors."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bots.checkpoints.state_dict import Make, Targets, unchanged


@dataclass(frozen=True)
class NativeModel:
    """A model class (transformers' or a format's own), its config, and the map of the tensors."""

    model_class: Any
    config: Any
    targets: Targets


def renamed(name: str, table: Sequence[tuple[str, str]]) -> str | None:
    """`name` rewritten by the first rule (pattern of the whole name, template) that matches."""
    for pattern, template in table:
        if match := re.fullmatch(pattern, name):
            return match.expand(template)
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
    """Map every tensor to its own name."""
    return {name: unchanged}
