"""Weights of linear layers in the order that oneDNN multiplies with: for float32 on a CPU.

PyTorch's own product with few rows reads the weights in their plain order: with four or eight rows
it takes up to twice the time of oneDNN's blocked order, and with one row it gains nothing from a
second thread. The operators are those that PyTorch's compiler uses
(`torch/_inductor/fx_passes/mkldnn_fusion.py`).
"""

from typing import Any

import torch
from torch import nn


def can_pack() -> bool:
    """Whether this build of PyTorch has the operators."""
    return torch.backends.mkldnn.is_available() and all(
        hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise")
    )


class PackedLinear(nn.Module):  # type: ignore[misc]
    """`nn.Linear` with its weight [out, in] in blocked order."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight = nn.Parameter(
            torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None),
            requires_grad=False,
        )
        self.bias = linear.bias

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """`rows` [..., in] → [..., out]."""
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            rows, self.weight, self.bias, "none", [], ""
        )
        return product


@torch.no_grad()  # type: ignore[untyped-decorator]
def pack(model: Any) -> int:
    """Put every plain float32 linear layer on the CPU in blocked order, one after the other.

    Layers with hooks (offloaded ones) and subclasses (quantised ones, LoRA) stay as they are.
    Returns how many were packed.
    """
    if not can_pack():
        return 0
    count = 0
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear and _is_plain(child):
                setattr(parent, name, PackedLinear(child))
                count += 1
    return count


def _is_plain(linear: nn.Linear) -> bool:
    weight = linear.weight
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and not hasattr(linear, "_hf_hook")
    )
