"""How the tensors of a native model come from the tensors of an original checkpoint.

A format says, for each tensor of the checkpoint, what becomes of it; `state_dict` turns that into
tensors that are made when transformers asks for them. Every tensor of the files is accounted for.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from bots.checkpoints.shards import Shards, listed
from bots.errors import LoadError

Make = Callable[..., torch.Tensor]
"""From tensors of the checkpoint to one of the native model."""

Targets = Callable[[str], Mapping[str, Make] | None]
"""What becomes of the tensor of this name: native name → how it is made. {} is "not needed", None
is "not known"."""


def unchanged(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor itself."""
    return tensor


@dataclass(frozen=True)
class Recipe:
    """One tensor: made of these tensors of the files, by this function."""

    sources: tuple[str, ...]
    make: Make = unchanged


class Lazy:
    """A tensor that is made when it is indexed: what transformers does with a safetensors slice."""

    def __init__(self, shards: Shards, recipe: Recipe, dtype: torch.dtype | None = None) -> None:
        self._shards, self._recipe, self._dtype = shards, recipe, dtype

    def __getitem__(self, index: Any) -> torch.Tensor:
        sources, dtype = self._recipe.sources, self._dtype
        if self._recipe.make is unchanged and dtype is not None:
            return self._shards.read_as(sources[0], dtype)[index]
        tensors = [self._shards.read(name) for name in sources]
        return self._recipe.make(*tensors)[index]


def state_dict(
    shards: Shards,
    stored: Mapping[str, Recipe],
    targets: Targets,
    tied: Mapping[str, str] | None = None,
    packed: Mapping[str, Recipe] | None = None,
    dtype: torch.dtype | None = None,
) -> dict[str, Lazy]:
    """The native model's state dict, each tensor made when it is asked for.

    `stored` are the checkpoint's tensors as the format knows them (a quantised one is several
    tensors in the files). `tied` names those that are made as another one where the files do not
    have them. `packed` are native tensors that are made already. Large tensors that are taken as
    they are come in `dtype`, which spares transformers a conversion of the whole. Raises LoadError
    that lists the tensors which no rule knows.
    """
    recipes = dict(packed or {})
    unknown: list[str] = []
    for name, source in stored.items():
        found = targets(name)
        if found is None:
            unknown.append(name)
            continue
        for target, make in found.items():
            recipes[target] = Recipe(source.sources, _after(source.make, make))
    if unknown:
        raise LoadError(f"The checkpoint has tensors that its model does not: {listed(unknown)}.")
    for name, same in (tied or {}).items():
        if same in recipes:
            recipes.setdefault(name, recipes[same])
    shards.expect(Counter(name for recipe in recipes.values() for name in recipe.sources))
    return {
        name: Lazy(shards, recipe, None if packed and name in packed else dtype)
        for name, recipe in recipes.items()
    }


def _after(first: Make, then: Make) -> Make:
    if first is unchanged:
        return then
    return first if then is unchanged else lambda *tensors: then(first(*tensors))
