"""The state dict of a native model, made from the tensors of an original checkpoint.

A format gives, for each tensor of the checkpoint, the native tensors that are made of it. Tensors
are made lazily, when transformers places them: a dict of real tensors would hold the whole model a
second time. Every tensor of the files must be mapped, or be named as not needed.
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
"""Name of a checkpoint's tensor → native names, and how each is made. {} is "not needed", None is
"unknown"."""


def unchanged(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor itself."""
    return tensor


@dataclass(frozen=True)
class TensorRecipe:
    """One tensor: the tensors of the files that it is made of, and the function that makes it."""

    sources: tuple[str, ...]
    make: Make = unchanged


class LazyTensor:
    """A tensor that is made when it is indexed, as transformers does with a safetensors slice."""

    def __init__(
        self, shards: Shards, recipe: TensorRecipe, dtype: torch.dtype | None = None
    ) -> None:
        self._shards, self._recipe, self._dtype = shards, recipe, dtype

    def __getitem__(self, index: Any) -> torch.Tensor:
        sources, dtype = self._recipe.sources, self._dtype
        if self._recipe.make is unchanged and dtype is not None:
            return self._shards.read_as(sources[0], dtype)[index]
        tensors = [self._shards.read(name) for name in sources]
        return self._recipe.make(*tensors)[index]


def state_dict(
    shards: Shards,
    stored: Mapping[str, TensorRecipe],
    targets: Targets,
    tied: Mapping[str, str] | None = None,
    ready: Mapping[str, TensorRecipe] | None = None,
    dtype: torch.dtype | None = None,
) -> dict[str, LazyTensor]:
    """The native model's state dict, each tensor made when it is indexed.

    `stored` are the checkpoint's tensors by the names that the format maps (a quantized one is
    several tensors in the files). `tied` maps names that the files may lack to the tensors that
    they share. `ready` are recipes by native name, which are not mapped. Large unchanged tensors
    are converted to `dtype`, which spares transformers a conversion that holds both. Raises
    LoadError that lists the tensors which the format does not know.
    """
    recipes = dict(ready or {})
    unknown: list[str] = []
    for name, source in stored.items():
        parts = targets(name)
        if parts is None:
            unknown.append(name)
            continue
        for target, make in parts.items():
            recipes[target] = TensorRecipe(source.sources, _chain(source.make, make))
    if unknown:
        raise LoadError(f"The checkpoint has tensors that its model does not: {listed(unknown)}.")
    for name, same in (tied or {}).items():
        if same in recipes:
            recipes.setdefault(name, recipes[same])
    # A source may be cut into several tensors: its shard is needed until the last one was made.
    shards.expect(Counter(name for recipe in recipes.values() for name in recipe.sources))
    return {
        name: LazyTensor(shards, recipe, None if ready and name in ready else dtype)
        for name, recipe in recipes.items()
    }


def check_loading_info(info: Mapping[str, Any]) -> None:
    """Raise LoadError that lists tensors that are missing, unexpected or of another shape."""
    faults = []
    if missing := info["missing_keys"]:
        faults.append(f"missing are {listed(missing)}")
    if unexpected := info["unexpected_keys"]:
        faults.append(f"not expected are {listed(unexpected)}")
    if mismatched := info["mismatched_keys"]:
        shapes = (f"{name} {list(has)} for {list(wants)}" for name, has, wants in mismatched)
        faults.append(f"of another shape are {listed(shapes)}")
    if errors := info.get("error_msgs"):
        faults.append("; ".join(str(error) for error in errors))
    if faults:
        raise LoadError(f"The checkpoint's tensors are not its model's: {'; '.join(faults)}.")


def _chain(first: Make, then: Make) -> Make:
    # `unchanged` must stay recognisable: LazyTensor converts such tensors row by row.
    if first is unchanged:
        return then
    return first if then is unchanged else lambda *tensors: then(first(*tensors))
