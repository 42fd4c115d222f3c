# mypy: allow-subclassing-any
"""Linear layers with float16 weights and float32 arithmetic, on a CPU.

Decoding for few requests is bound by reading the weights, so half the bytes take nearly half the
time, and a checkpoint in half precision loses nothing. The product is FBGEMM's
(https://github.com/pytorch/FBGEMM), which PyTorch ships on x86: oneDNN has none that keeps the
arithmetic in float32.
"""

import torch
from torch import nn

LOST = 2.0**-20
"""Tolerated rounding error of a weight, as a share of the largest of its row. So little is lost of
bfloat16 weights below float16's smallest numbers; the sums of a float32 product lose more."""

ROWS = 4096
"""Rows of a weight compared at a time, to bound the memory of the copies."""


def can_halve() -> bool:
    """Whether this build of PyTorch has FBGEMM's float16 product for this CPU."""
    return (
        torch.backends.mkldnn.is_available()  # layers that float16 cannot hold use oneDNN
        and "fbgemm" in torch.backends.quantized.supported_engines
        and torch.cpu._is_avx2_supported()
        and hasattr(torch.ops.quantized, "linear_dynamic_fp16")
    )


class HalfLinear(nn.Module):
    """A linear layer with a float16 weight [out, in], prepacked for FBGEMM."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        largest = torch.finfo(torch.float16).max
        self._kernel_weight = torch.ops.quantized.linear_prepack_fp16(
            weight.detach().float().clamp(-largest, largest),
            None if bias is None else bias.detach().float(),
        )
        # Some models and libraries read the dtype and device of a layer's weight.
        self.weight = nn.Parameter(torch.empty(0), requires_grad=False)

    @property
    def nbytes(self) -> int:
        """Bytes of the prepacked weight, which is no parameter; FBGEMM pads inputs to 512s."""
        return 2 * _up(self.in_features, 512) * _up(self.out_features, 16)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Multiply `rows` [..., in] float32 with the weight: [..., out]."""
        product: torch.Tensor = torch.ops.quantized.linear_dynamic_fp16(rows, self._kernel_weight)
        return product


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


def is_half(weight: torch.Tensor) -> bool:
    """Whether float16 holds a weight [out, in] within the tolerance `LOST`."""
    if weight.dtype == torch.float16:
        return True
    for rows in weight.detach().split(ROWS):
        largest = rows.abs().amax(1).float()
        lost = (rows.float() - rows.half().float()).abs().amax(1)
        if not bool((lost <= LOST * largest).all()):  # also false for NaN
            return False
    return True
