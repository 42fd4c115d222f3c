"""Quantised weights in the files, made into ordinary ones when they are read.

Formats and their formulas: GPTQ (MOSS's int4 and int8 files, AutoGPTQ's v1 and v2) and ChatGLM's
rows of int8 or packed int4. What comes out is float32 and exact; the model is as large as if it
had never been quantised.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from bots.checkpoints.recipe import Recipe
from bots.errors import LoadError

WORD = 32
"""Bits of a packed integer."""


@dataclass(frozen=True)
class Gptq:
    """How a GPTQ checkpoint packs. v1 stores zero points less one: `zero_offset` is added back."""

    bits: int
    zero_offset: int = 1

    def __str__(self) -> str:
        return f"gptq int{self.bits}"


@dataclass(frozen=True)
class Rows:
    """ChatGLM's own format: a scale for each row."""

    bits: int

    def __str__(self) -> str:
        return f"chatglm int{self.bits}"


def format_of(config: Mapping[str, Any]) -> Gptq | Rows | None:
    """The quantised format that a model's config tells, None where there is none of these.

    `config` is config.json, with quantize_config.json as its `quantization_config` where that is a
    file of its own. Raises LoadError for a variant that is not known.
    """
    if bits := config.get("quantization_bit"):
        if config.get("quantization_embeddings"):
            raise LoadError("Quantised embeddings (quantization_embeddings) are not supported.")
        return Rows(_checked(bits, (4, 8)))
    if bits := config.get("wbits"):
        return Gptq(_checked(bits, (2, 4, 8)))
    own = config.get("quantization_config") or {}
    if "bits" in own and own.get("quant_method", "gptq") == "gptq":
        version = own.get("checkpoint_format", "gptq")
        if version not in ("gptq", "gptq_v2"):
            raise LoadError(f"The GPTQ format {version!r} is not supported: gptq and gptq_v2 are.")
        return Gptq(_checked(own["bits"], (2, 4, 8)), 1 if version == "gptq" else 0)
    return None


def _checked(bits: Any, allowed: Collection[int]) -> int:
    if bits not in allowed:
        raise LoadError(f"Weights of {bits!r} bits are not supported in this format.")
    return int(bits)


def unpacked(names: Collection[str], how: Gptq | Rows | None) -> dict[str, Recipe]:
    """The tensors of the files, with the parts of a quantised weight as one, `….weight`.

    Raises LoadError when parts of a quantised weight are missing.
    """
    if how is None:
        return {name: Recipe((name,)) for name in names}
    found = dict(_gptq(names, how) if isinstance(how, Gptq) else _rows(names, how))
    if not found:
        raise LoadError(f"The config says {how}, but no tensor is quantised.")
    used = {part for recipe in found.values() for part in recipe.sources}
    return found | {name: Recipe((name,)) for name in names if name not in used}


def _gptq(names: Collection[str], how: Gptq) -> Iterator[tuple[str, Recipe]]:
    for name in names:
        if name.endswith(".qweight"):
            stem = name.removesuffix("qweight")
            parts = tuple(stem + part for part in ("qweight", "qzeros", "scales", "g_idx"))
            if missing := [part for part in parts if part not in names]:
                raise LoadError(f"Parts of quantised weights are missing: {', '.join(missing)}.")
            yield stem + "weight", Recipe(parts, partial(gptq_weight, how))


def _rows(names: Collection[str], how: Rows) -> Iterator[tuple[str, Recipe]]:
    for name in names:
        if name.endswith(".weight_scale"):
            weight = name.removesuffix("_scale")
            if weight not in names:
                raise LoadError(f"Parts of quantised weights are missing: {weight}.")
            yield weight, Recipe((weight, name), partial(rows_weight, how))


def gptq_weight(
    how: Gptq,
    qweight: torch.Tensor,
    qzeros: torch.Tensor,
    scales: torch.Tensor,
    g_idx: torch.Tensor,
) -> torch.Tensor:
    """The weight [out, in] of a GPTQ layer, float32.

    `qweight` int32 [in·bits/32, out] packs inputs along rows, `qzeros` int32 [groups,
    out·bits/32] packs outputs, `scales` [groups, out], `g_idx` [in] is the group of each input:
    W[n, k] = (code[k, n] − zero[g_idx[k], n]) · scale[g_idx[k], n].
    """
    per_word = WORD // how.bits
    inputs, outputs = qweight.shape[0] * per_word, qweight.shape[1]
    groups = scales.shape[0]
    fits = (
        qzeros.shape == (groups, outputs // per_word)
        and scales.shape == (groups, outputs)
        and g_idx.shape == (inputs,)
        and 0 <= int(g_idx.min()) <= int(g_idx.max()) < groups
    )
    if not fits:
        raise LoadError(
            f"A quantised weight does not fit together at {how.bits} bits: qweight"
            f" {list(qweight.shape)}, qzeros {list(qzeros.shape)}, scales {list(scales.shape)},"
            f" g_idx {list(g_idx.shape)}."
        )
    shifts = torch.arange(0, WORD, how.bits, dtype=torch.int32)
    mask = (1 << how.bits) - 1
    codes = ((qweight[:, None, :] >> shifts[None, :, None]) & mask).reshape(inputs, outputs)
    zeros = ((qzeros[:, :, None] >> shifts) & mask).reshape(groups, outputs) + how.zero_offset
    group = g_idx.long()
    return ((codes - zeros[group]) * scales.float()[group]).T.contiguous()


def rows_weight(how: Rows, weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """The weight [out, in] of a ChatGLM layer, float32.

    `weight` int8 [out, in], or [out, in/2] for 4 bits: the high half of a byte is the even
    column, the low half the odd one, both signed. `scale` [out].
    """
    if weight.dtype != torch.int8 or scale.shape != weight.shape[:1]:
        raise LoadError(
            f"A quantised weight does not fit together: {weight.dtype} {list(weight.shape)} with"
            f" scales {list(scale.shape)}."
        )
    if how.bits == 4:
        # An arithmetic shift keeps the sign; the low half is moved up first to have one.
        weight = torch.stack((weight >> 4, (weight << 4) >> 4), dim=-1).flatten(1)
    return weight.float() * scale.float()[:, None]
