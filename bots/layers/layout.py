"""The memory layout of a quantized weight, and the kernel that multiplies with it.

W[n, k] = (code[n, k] − zero[n, g]) · scale[n, g], where g is the group of column k. Codes are 0…15
(2 and 3 bits are stored as 4) or 0…255.
"""

from dataclasses import dataclass
from enum import StrEnum

import torch

INT8PACK_STEP = 16
"""Inputs in a vector of `_weight_int8pack_mm`. With AVX-512 it crashes where a row begins within a
vector."""

INT4_GROUPS = (256, 128, 64, 32)
"""Group sizes of `_weight_int4pack_mm_for_cpu`."""


class Kernel(StrEnum):
    """The implementation of a layer's product."""

    PLAIN = "torch"
    """Dequantize a block of rows, multiply, repeat. Exact in float32, on any device."""

    INT4PACK = "torch int4pack"
    INT8PACK = "torch int8pack"


@dataclass(frozen=True)
class Layout:
    """Shape and storage of a quantized weight [outputs, inputs].

    `bits` is 4 or 8, or 16 for unquantized half precision. `groups` of columns have a scale each.
    `ordered`: the columns are sorted by group, so the inputs must be reordered likewise. `uneven`:
    the groups differ in size, so the group of each column is stored. `signed`: all zero points are
    in the middle (8 or 128) and not stored.
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
    """The dtype of the files' scales, or of weights of 16 bits."""

    @property
    def kernel_group(self) -> int:
        """The largest group size of `INT4PACK` that divides the weight's groups, 0 for none."""
        size = self.inputs // self.groups
        return next((group for group in INT4_GROUPS if size % group == 0), 0)

    def tensors(self) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
        """Name → shape and dtype of each stored tensor."""
        out, columns = self.outputs, self.inputs
        if self.bits == 16:
            return {"weight": ((out, columns), self.dtype)}
        stored: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
            "weight": ((out, columns // 2), torch.uint8)
            if self.bits == 4
            else ((out, columns), torch.int8)
        }
        if self.kernel == Kernel.INT4PACK:
            stored["scale"] = ((columns // self.kernel_group, out, 2), torch.bfloat16)
        elif self.kernel == Kernel.INT8PACK:
            stored["scale"] = ((out,), torch.bfloat16)
        else:
            stored["scale"] = ((out, self.groups), self.dtype)
            if not self.signed or self.bits == 4:
                stored["zero"] = ((out, self.groups), torch.int16)
        if self.ordered:
            stored["order"] = ((columns,), torch.int32)
        if self.uneven:
            stored["group"] = ((columns,), torch.int32)
        return stored


def kernel_for(layout: Layout, device: str, dtype: torch.dtype) -> Kernel:
    """The fastest kernel for a weight on "cpu" or "cuda" in this dtype.

    PyTorch's CPU kernels are vectorized in bfloat16 only, and round their result to it. In float32
    and float16 they are plain loops, so `PLAIN` is as fast there, and exact.
    """
    if device != "cpu" or dtype != torch.bfloat16 or layout.uneven or layout.bits == 16:
        return Kernel.PLAIN
    # The int4 kernel computes 16 outputs at a time and knows four group sizes. The int8 kernel has
    # one scale a row, no zero points, and needs aligned rows.
    if layout.bits == 4 and layout.kernel_group and layout.outputs % 16 == 0:
        return Kernel.INT4PACK
    eight = layout.bits == 8 and layout.groups == 1 and layout.signed
    if eight and layout.inputs % INT8PACK_STEP == 0:
        return Kernel.INT8PACK
    return Kernel.PLAIN


def stored_codes(layout: Layout, codes: torch.Tensor) -> torch.Tensor:
    """Convert codes uint8 [some rows, inputs] to the form of `weight`.

    `INT4PACK` interleaves blocks of 64 rows, so all calls but the last need a multiple of 64 rows.
    Other 4-bit codes: the low halves of a row's bytes are its first half of the columns, so that
    unpacking writes two contiguous halves.
    """
    if layout.bits == 8:
        return (codes ^ 128).view(torch.int8)
    if layout.kernel == Kernel.INT4PACK:
        # 1 is `innerKTiles`, which the CPU version ignores.
        stored: torch.Tensor = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes.int(), 1)
        return stored
    low, high = codes.chunk(2, dim=1)
    return low | (high << 4)


def stored_scale(layout: Layout, scale: torch.Tensor, zero: torch.Tensor) -> torch.Tensor:
    """Convert scales and zero points [outputs, groups] to the form of `scale`."""
    if layout.kernel == Kernel.INT4PACK:
        # The kernel computes (code − 8) · scale + offset, and knows no groups above 256 columns.
        both = torch.stack((scale, (8 - zero) * scale), -1).transpose(0, 1)
        repeats = layout.inputs // layout.groups // layout.kernel_group
        return both.repeat_interleave(repeats, 0).bfloat16().contiguous()
    if layout.kernel == Kernel.INT8PACK:
        return scale[:, 0].bfloat16()
    return scale.to(layout.dtype).contiguous()


def stored_zero(layout: Layout, scale: torch.Tensor, zero: torch.Tensor) -> torch.Tensor:
    """Convert zero points [outputs, groups] to the form of `zero`; 8 bits are stored minus 128."""
    return (zero - (128 if layout.bits == 8 else 0)).to(torch.int16).contiguous()
