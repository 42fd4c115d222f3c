"""How one quantised weight lies in memory, and which kernel multiplies with it.

A weight is W[n, k] = (code[n, k] − zero[n, g]) · scale[n, g], with g the group of column k. Codes
are 0…15 (fewer bits are kept as four) or 0…255.
"""

from dataclasses import dataclass
from enum import StrEnum

import torch

INT8PACK_STEP = 16
"""`_weight_int8pack_mm` reads rows by vectors of so many inputs: with AVX-512 it crashes where a
row begins between two of them."""

INT4_GROUPS = (256, 128, 64, 32)
"""What `_weight_int4pack_mm_for_cpu` takes."""


class Kernel(StrEnum):
    """What computes a layer's product."""

    PLAIN = "torch"
    """Dequantise some rows of the weight, multiply, and so on; exact in float32, on any device."""

    INT4PACK = "torch int4pack"
    INT8PACK = "torch int8pack"


@dataclass(frozen=True)
class Layout:
    """The shape of a packed weight [outputs, inputs].

    `bits` 4 or 8; 16 is half precision, as it is. `groups` of columns have a scale each. `ordered`:
    the columns were sorted by group, and inputs must be. `uneven`: the groups differ in size, and
    each column's is stored. `signed`: all zeros are in the middle (8 or 128), and not stored.
    """

    outputs: int
    inputs: int
    bits: int
    groups: int = 1
    ordered: bool = False
    uneven: bool = False
    signed: bool = False
    kernel: Kernel = Kernel.PLAIN
    dtype: torch.dtype = torch.float16
    """What the files have scales in, or weights of 16 bits."""

    @property
    def kernel_group(self) -> int:
        """Columns of a group as `INT4PACK` knows them: the largest that divides the weight's."""
        size = self.inputs // self.groups
        return next((group for group in INT4_GROUPS if size % group == 0), 0)

    def tensors(self) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
        """Name, shape and dtype of what is stored."""
        out, columns = self.outputs, self.inputs
        if self.bits == 16:
            return {"weight": ((out, columns), self.dtype)}
        found: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
            "weight": ((out, columns // 2), torch.uint8)
            if self.bits == 4
            else ((out, columns), torch.int8)
        }
        if self.kernel == Kernel.INT4PACK:
            found["scale"] = ((columns // self.kernel_group, out, 2), torch.bfloat16)
        elif self.kernel == Kernel.INT8PACK:
            found["scale"] = ((out,), torch.bfloat16)
        else:
            found["scale"] = ((out, self.groups), self.dtype)
            if not self.signed or self.bits == 4:
                found["zero"] = ((out, self.groups), torch.int16)
        if self.ordered:
            found["order"] = ((columns,), torch.int32)
        if self.uneven:
            found["group"] = ((columns,), torch.int32)
        return found


def kernel_for(layout: Layout, device: str, dtype: torch.dtype) -> Kernel:
    """The fastest kernel for a weight on this kind of device in this dtype.

    PyTorch's CPU kernels are fast in bfloat16 alone (in float32 and float16 they are loops without
    vectors) and round what they give to it, so float32 is computed plainly.
    """
    if device != "cpu" or dtype != torch.bfloat16 or layout.uneven or layout.bits == 16:
        return Kernel.PLAIN
    if layout.bits == 4 and layout.kernel_group and layout.outputs % 16 == 0:
        return Kernel.INT4PACK
    eight = layout.bits == 8 and layout.groups == 1 and layout.signed
    if eight and layout.inputs % INT8PACK_STEP == 0:
        return Kernel.INT8PACK
    return Kernel.PLAIN


def stored_codes(layout: Layout, codes: torch.Tensor) -> torch.Tensor:
    """Codes uint8 [some rows, inputs] as `weight` has them.

    For `INT4PACK` the rows must be a multiple of 64 but at the end, for it mixes those of a block.
    Otherwise the low halves of a row's bytes are its first columns, the high halves the others.
    """
    if layout.bits == 8:
        return (codes ^ 128).view(torch.int8)
    if layout.kernel == Kernel.INT4PACK:
        packed: torch.Tensor = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes.int(), 1)
        return packed
    low, high = codes.chunk(2, dim=1)
    return low | (high << 4)


def stored_scale(layout: Layout, scale: torch.Tensor, zero: torch.Tensor) -> torch.Tensor:
    """Scales and zeros [outputs, groups] as `scale` has them."""
    if layout.kernel == Kernel.INT4PACK:
        both = torch.stack((scale, (8 - zero) * scale), -1).transpose(0, 1)
        repeats = layout.inputs // layout.groups // layout.kernel_group
        return both.repeat_interleave(repeats, 0).bfloat16().contiguous()
    if layout.kernel == Kernel.INT8PACK:
        return scale[:, 0].bfloat16()
    return scale.to(layout.dtype).contiguous()


def stored_zero(layout: Layout, scale: torch.Tensor, zero: torch.Tensor) -> torch.Tensor:
    """Zeros [outputs, groups] for codes as `stored_codes` gives them: 8 bits are moved by 128."""
    return (zero - (128 if layout.bits == 8 else 0)).to(torch.int16).contiguous()
