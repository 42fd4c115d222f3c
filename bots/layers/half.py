# mypy: allow-subclassing-any
"""Linear layers whose weights are float16 and whose arithmetic is float32, on a CPU.

A step for few requests takes as long as reading the weights does, so half the bytes are nearly half
the time; and where a checkpoint is of half precision, nothing is lost. The product is FBGEMM's
(https://github.com/pytorch/FBGEMM), which PyTorch brings on x86.
"""

import torch
from torch import nn

LOST = 2.0**-20
"""What float16 may lose of a weight, as a share of its row's largest: what bfloat16 has below
float16's smallest numbers. A product of float32 loses more by its sums."""

ROWS = 4096
"""Rows of a weight that are looked at together."""


def can_halve() -> bool:
    """Whether this build of PyTorch has the product on this machine."""
    return (
        torch.backends.mkldnn.is_available()  # for layers that float16 does not hold
        and "fbgemm" in torch.backends.quantized.supported_engines
        and torch.cpu._is_avx2_supported()
        and hasattr(torch.ops.quantized, "linear_dynamic_fp16")
    )


class HalfLinear(nn.Module):
    """`nn.Linear` with a weight [out, in] of float16 in the order that FBGEMM multiplies with."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        largest = torch.finfo(torch.float16).max
        self._kernel_weight = torch.ops.quantized.linear_prepack_fp16(
            weight.detach().float().clamp(-largest, largest),
            None if bias is None else bias.detach().float(),
        )
        # Some models and libraries ask a layer's weight what to give it.
        self.weight = nn.Parameter(torch.empty(0), requires_grad=False)

    @property
    def nbytes(self) -> int:
        """Memory of the weight, which no parameter tells: FBGEMM fills its inputs up to 512s."""
        return 2 * _up(self.in_features, 512) * _up(self.out_features, 16)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """`rows` [..., in] float32 → [..., out]."""
        product: torch.Tensor = torch.ops.quantized.linear_dynamic_fp16(rows, self._kernel_weight)
        return product


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


def is_half(weight: torch.Tensor) -> bool:
    """Whether a weight [out, in] is the same in float16, but for `LOST`."""
    if weight.dtype == torch.float16:
        return True
    for rows in weight.detach().split(ROWS):
        largest = rows.abs().amax(1).float()
        lost = (rows.float() - rows.half().float()).abs().amax(1)
        if not bool((lost <= LOST * largest).all()):  # false for what is not finite
            return False
    return True
