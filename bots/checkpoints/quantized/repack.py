"""Plan how quantized weights of the files become tensors of a model's layers.

The codes are repacked for the kernels a block of rows at a time; no weight is made at full size.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch

from bots.checkpoints.quantized.formats import QuantizedFormat, quantized_weights
from bots.checkpoints.shards import Shards, listed
from bots.checkpoints.state_dict import Targets, TensorRecipe
from bots.errors import LoadError
from bots.layers.layout import (
    Layout,
    kernel_for,
    stored_codes,
    stored_scale,
    stored_zero,
)

ROWS = 256
"""Rows repacked at a time: a multiple of the 64 that the int4 kernel interleaves, and small beside
a weight, for the unpacked codes take a byte each."""


@dataclass(frozen=True)
class RepackPlan:
    """Layouts by layer name, recipes by tensor name, and the files' tensors that these use."""

    layouts: dict[str, Layout]
    recipes: dict[str, TensorRecipe]
    used: frozenset[str]


def plan_repack(
    shards: Shards, how: QuantizedFormat, targets: Targets, device: str, dtype: torch.dtype
) -> RepackPlan:
    """Plan the layers of a checkpoint's quantized weights.

    `device` ("cpu" or "cuda") and `dtype` are those that the layers will compute with; they decide
    the kernels. Raises LoadError for weights that lack a part, do not fit together, or are unknown.
    """
    plan = RepackPlan({}, {}, frozenset())
    unknown: list[str] = []
    used: set[str] = set()
    for name, sources in quantized_weights(shards.names, how).items():
        parts = targets(name)
        if parts is None:
            unknown.append(name)
            continue
        used |= set(sources)
        layout, order = _layout(shards, how, sources)
        for target, make in parts.items():
            # Formats cut fused weights by rows. Cutting the row numbers gives the rows of each
            # part, and the codes need not be unpacked for that.
            rows = make(torch.arange(layout.outputs))
            part = replace(layout, outputs=len(rows))
            part = replace(part, kernel=kernel_for(part, device, dtype))
            layer = target.removesuffix(".weight")
            plan.layouts[layer] = part
            plan.recipes.update(_recipes(layer, part, how, rows, sources, order))
    if unknown:
        raise LoadError(f"The checkpoint has tensors that its model does not: {listed(unknown)}.")
    return replace(plan, used=frozenset(used))


def _layout(
    shards: Shards, how: QuantizedFormat, sources: tuple[str, ...]
) -> tuple[Layout, torch.Tensor | None]:
    """The layout of one weight without its kernel, and the order of its columns, if sorted."""
    parts = [shards.read(name) for name in sources]
    try:
        outputs, inputs, groups = how.shape(*parts)
    except LoadError as error:
        raise LoadError(f"{sources[0]}: {error.message}") from error
    scales = parts[1] if len(parts) < 4 else parts[2]
    bits = 8 if how.bits == 8 else 4
    layout = Layout(outputs, inputs, bits, groups, signed=how.signed, dtype=scales.dtype)
    if len(parts) < 4:
        return layout, None
    group = parts[3].long()
    size, rest = divmod(inputs, groups)
    if rest or not torch.equal(group.bincount(minlength=groups), torch.full((groups,), size)):
        return replace(layout, uneven=True), None
    order = group.argsort(stable=True)
    if torch.equal(order, torch.arange(inputs)):
        return layout, None
    return replace(layout, ordered=True), order


def _recipes(
    layer: str,
    layout: Layout,
    how: QuantizedFormat,
    rows: torch.Tensor,
    sources: tuple[str, ...],
    order: torch.Tensor | None,
) -> Mapping[str, TensorRecipe]:
    recipes = {"weight": TensorRecipe(sources[:1], partial(_codes, layout, how, rows, order))}
    for part, stored in (("scale", stored_scale), ("zero", stored_zero)):
        recipes[part] = TensorRecipe(sources[1:3], partial(_scales, stored, layout, how, rows))
    if layout.ordered:
        recipes["order"] = TensorRecipe(sources[3:], lambda group: group.argsort(stable=True).int())
    if layout.uneven:
        recipes["group"] = TensorRecipe(sources[3:], lambda group: group.int())
    return {f"{layer}.{part}": recipes[part] for part in layout.tensors()}


def _codes(
    layout: Layout,
    how: QuantizedFormat,
    rows: torch.Tensor,
    order: torch.Tensor | None,
    source: torch.Tensor,
) -> torch.Tensor:
    shape, dtype = layout.tensors()["weight"]
    stored = torch.empty(shape, dtype=dtype)
    for start in range(0, len(rows), ROWS):
        codes = how.codes(rows[start : start + ROWS], source)
        if order is not None:
            codes = codes.index_select(1, order)
        stored[start : start + ROWS] = stored_codes(layout, codes)
    return stored


def _scales(
    stored: Callable[[Layout, torch.Tensor, torch.Tensor], torch.Tensor],
    layout: Layout,
    how: QuantizedFormat,
    rows: torch.Tensor,
    *parts: torch.Tensor,
) -> torch.Tensor:
    return stored(layout, *how.scale_and_zero(rows, *parts))
