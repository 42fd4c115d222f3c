"""Quantized file formats: their configs, and their tensors as codes, scales and zero points.

GPTQ (MOSS's int4 and int8 files, AutoGPTQ's and GPTQModel's v1 and v2), and ChatGLM's int8 and int4
with a scale for each row. In both W[n, k] = (code[n, k] − zero[n, g]) · scale[n, g], where g is the
group of column k.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch

from bots.checkpoints.state_dict import TensorRecipe
from bots.errors import LoadError

WORD = 32
"""Bits of the integers that GPTQ packs codes into."""


@dataclass(frozen=True)
class GptqFormat:
    """GPTQ: codes packed into int32.

    `qweight` int32 [in·bits/32, out] packs inputs along rows, `qzeros` int32 [groups,
    out·bits/32] packs outputs, `scales` [groups, out], `g_idx` [in] is the group of each input.
    Version 1 stores zero points minus one, so `zero_offset` 1 is added; version 2 stores them
    plainly (0). Source: AutoGPTQ's qlinear modules, GPTQModel's `checkpoint_format`.
    """

    bits: int
    zero_offset: int = 1
    signed: ClassVar[bool] = False
    parts: ClassVar[tuple[str, ...]] = ("qweight", "qzeros", "scales", "g_idx")

    def __str__(self) -> str:
        return f"gptq int{self.bits}"

    def shape(
        self,
        qweight: torch.Tensor,
        qzeros: torch.Tensor,
        scales: torch.Tensor,
        g_idx: torch.Tensor,
    ) -> tuple[int, int, int]:
        """Outputs, inputs, groups. Raises LoadError when the tensors do not fit together."""
        inputs, groups = qweight.shape[0] * WORD // self.bits, scales.shape[0]
        outputs = qweight.shape[1] if qweight.ndim == 2 else 0
        fits = (
            qweight.dtype == qzeros.dtype == torch.int32
            and qweight.shape[0] % _words(self.bits) == 0
            and qzeros.shape == (groups, outputs * self.bits // WORD)
            and scales.shape == (groups, outputs)
            and g_idx.shape == (inputs,)
            and 0 <= int(g_idx.min()) <= int(g_idx.max()) < groups
        )
        if not fits:
            raise LoadError(
                f"A quantized weight does not fit together at {self.bits} bits: qweight"
                f" {list(qweight.shape)}, qzeros {list(qzeros.shape)}, scales"
                f" {list(scales.shape)}, g_idx {list(g_idx.shape)}."
            )
        return outputs, inputs, groups

    def codes(self, rows: torch.Tensor, qweight: torch.Tensor) -> torch.Tensor:
        """Codes uint8 [some rows, in]; `rows` are the outputs wanted."""
        return unpack_codes(qweight.index_select(1, rows), self.bits).T.contiguous()

    def scale_and_zero(
        self, rows: torch.Tensor, qzeros: torch.Tensor, scales: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Both float32 [some rows, groups]."""
        zeros = unpack_codes(qzeros.T, self.bits).float() + self.zero_offset
        return scales.T[rows].float(), zeros[rows]


@dataclass(frozen=True)
class RowwiseFormat:
    """ChatGLM: a scale for each row, no zero points. Source: quantization.py of THUDM/chatglm-6b.

    `weight` int8 [out, in], or [out, in/2] for 4 bits: the high half of a byte is the even
    column, the low half the odd one, both signed. `weight_scale` [out].
    """

    bits: int
    signed: ClassVar[bool] = True
    parts: ClassVar[tuple[str, ...]] = ("weight", "weight_scale")

    def __str__(self) -> str:
        return f"chatglm int{self.bits}"

    def shape(self, weight: torch.Tensor, scale: torch.Tensor) -> tuple[int, int, int]:
        """Outputs, inputs, groups. Raises LoadError when the tensors do not fit together."""
        if weight.dtype != torch.int8 or scale.shape != weight.shape[:1]:
            raise LoadError(
                f"A quantized weight does not fit together: {weight.dtype} {list(weight.shape)}"
                f" with scales {list(scale.shape)}."
            )
        return weight.shape[0], weight.shape[1] * 8 // self.bits, 1

    def codes(self, rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Codes uint8 [some rows, in], from 0 as GPTQ's; `rows` are the outputs wanted."""
        chosen = weight[rows].view(torch.uint8)
        if self.bits == 8:
            return chosen ^ 128  # two's complement, moved up by 128
        return torch.stack((chosen >> 4, chosen & 15), dim=-1).flatten(1) ^ 8

    def scale_and_zero(
        self, rows: torch.Tensor, scale: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Both float32 [some rows, 1]."""
        chosen = scale[rows].float()[:, None]
        return chosen, torch.full_like(chosen, 1 << (self.bits - 1))


QuantizedFormat = GptqFormat | RowwiseFormat


def _words(bits: int) -> int:
    """Words after which a code starts at a word's first bit: codes of 3 bits cross words."""
    return 3 if bits == 3 else 1


def unpack_codes(words: torch.Tensor, bits: int) -> torch.Tensor:
    """Unpack int32 [n, …] to codes uint8 [n · 32 / bits, …], the lowest bits first."""
    period = _words(bits)
    units = words.unflatten(0, (-1, period))
    count, mask = WORD * period // bits, (1 << bits) - 1
    codes = torch.empty((len(units), count, *words.shape[1:]), dtype=torch.uint8)
    for number in range(count):
        word, shift = divmod(number * bits, WORD)
        code = units[:, word] >> shift
        if shift + bits > WORD:
            low = (1 << (WORD - shift)) - 1  # >> fills up with the sign bit
            code = (code & low) | (units[:, word + 1] << (WORD - shift))
        codes[:, number] = code & mask
    return codes.flatten(0, 1)


def quantized_format(config: Mapping[str, Any]) -> QuantizedFormat | None:
    """The format that a model's config (of `read_config`) declares, None where it is none of these.

    Raises LoadError for an unknown variant of one of them.
    """
    if bits := config.get("quantization_bit"):
        if config.get("quantization_embeddings"):
            raise LoadError("Quantized embeddings (quantization_embeddings) are not supported.")
        return RowwiseFormat(_checked(bits, (4, 8)))
    if bits := config.get("wbits"):
        return GptqFormat(_checked(bits, (2, 3, 4, 8)))
    declared = config.get("quantization_config") or {}
    if "bits" in declared and declared.get("quant_method", "gptq") == "gptq":
        version = declared.get("checkpoint_format", "gptq")
        if version not in ("gptq", "gptq_v2"):
            raise LoadError(f"The GPTQ format {version!r} is not supported: gptq and gptq_v2 are.")
        return GptqFormat(_checked(declared["bits"], (2, 3, 4, 8)), 1 if version == "gptq" else 0)
    return None


def _checked(bits: Any, allowed: Collection[int]) -> int:
    if bits not in allowed:
        raise LoadError(f"Weights of {bits!r} bits are not supported in this format.")
    return int(bits)


def quantized_weights(names: Collection[str], how: QuantizedFormat) -> dict[str, tuple[str, ...]]:
    """Name of each quantized weight (`….weight`) → the tensors of the files that it is made of.

    Raises LoadError when there are none, or when one lacks a part.
    """
    weights = dict(_stems(names, how))
    if not weights:
        raise LoadError(f"The config says {how}, but no tensor is quantized.")
    lacking = {part for parts in weights.values() for part in parts if part not in names}
    if lacking:
        raise LoadError(
            f"Parts of quantized weights are missing: {', '.join(sorted(lacking)[:8])}."
        )
    return weights


def _stems(names: Collection[str], how: QuantizedFormat) -> Iterator[tuple[str, tuple[str, ...]]]:
    mark = "qweight" if isinstance(how, GptqFormat) else "weight_scale"
    for name in names:
        if name.endswith("." + mark):
            stem = name.removesuffix(mark)
            yield stem + "weight", tuple(stem + part for part in how.parts)


def dequantized_recipes(
    names: Collection[str], how: QuantizedFormat | None
) -> dict[str, TensorRecipe]:
    """Recipes for all tensors of the files, each quantized weight as one tensor of full size."""
    if how is None:
        return {name: TensorRecipe((name,)) for name in names}
    weights = quantized_weights(names, how)
    used = {part for parts in weights.values() for part in parts}
    dequantized = {
        name: TensorRecipe(parts, partial(dequantize, how)) for name, parts in weights.items()
    }
    return dequantized | {name: TensorRecipe((name,)) for name in names if name not in used}


def dequantize(how: QuantizedFormat, *parts: torch.Tensor) -> torch.Tensor:
    """Compute a quantized weight at full size, float32 [out, in], from its `parts`."""
    outputs, _, _ = how.shape(*parts)
    rows = torch.arange(outputs)
    scale, zero = how.scale_and_zero(rows, *parts[1:3])
    group = parts[3].long() if len(parts) > 3 else 0
    codes = how.codes(rows, parts[0])
    if isinstance(group, int):
        return (codes - zero) * scale
    return (codes - zero[:, group]) * scale[:, group]
