"""Weights of linear layers in the order that a fast product wants, on a CPU.

For float32 it is oneDNN's; for float16 see `bots.layers.half`. PyTorch's own product with few
rows reads the weights in their plain order: with four or eight rows it takes up to twice the time
of oneDNN's blocked order, and with one row it gains nothing from a second thread. The operators are
those that PyTorch's compiler uses (`torch/_inductor/fx_passes/mkldnn_fusion.py`).
"""

from collections.abc import Sequence
from enum import Enum
from typing import Any

import torch
from torch import nn

from bots.layers.half import HalfLinear, is_half
from bots.layers.quantized import HalfEmbedding


def can_pack() -> bool:
    """Whether this build of PyTorch has the operators."""
    return torch.backends.mkldnn.is_available() and all(
        hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise")
    )


SIBLINGS = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
"""Layers that get the same input in every decoder that has layers of these names. (In attention to
an encoder the queries' input is another.)"""


class PackedLinear(nn.Module):  # type: ignore[misc]
    """`nn.Linear` with its weight [out, in] in blocked order."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.weight = nn.Parameter(
            torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None), requires_grad=False
        )
        self.bias = bias

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """`rows` [..., in] → [..., out]."""
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            rows, self.weight, self.bias, "none", [], ""
        )
        return product


class Joined:
    """Layers of the same input as one product, since each costs some 60 µs beside its arithmetic.

    `packed` has the outputs of all, `sizes` says how many are whose. The product is kept from the
    first layer that is asked until the last was. One pass of the model at a time.
    """

    def __init__(self, packed: nn.Module, sizes: Sequence[int]) -> None:
        self.packed, self.sizes = packed, list(sizes)
        self._rows: torch.Tensor | None = None
        self._products: list[torch.Tensor | None] = []

    def take(self, at: int, rows: torch.Tensor) -> torch.Tensor:
        """What the layer number `at` makes of `rows`."""
        if rows is not self._rows or self._products[at] is None:
            self._rows = rows
            self._products = list(self.packed(rows).split(self.sizes, dim=-1))
        product = self._products[at]
        assert product is not None
        self._products[at] = None
        if all(one is None for one in self._products):
            self._rows = None
        return product


class JoinedLinear(nn.Module):  # type: ignore[misc]
    """One of the layers of `joined`."""

    def __init__(self, joined: Joined, at: int) -> None:
        super().__init__()
        self.out_features = joined.sizes[at]
        self._joined, self._at = joined, at
        if at == 0:
            self.packed = joined.packed  # so that the model has its parameters

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """`rows` [..., in] → [..., out], a view."""
        return self._joined.take(self._at, rows)


class Half(Enum):
    """Whether weights become float16."""

    NO = "no"
    LOSSLESS = "where nothing is lost"
    ROUNDED = "always"


@torch.no_grad()  # type: ignore[untyped-decorator]
def pack(model: Any, *, join: bool = True, half: Half = Half.NO) -> int:
    """Put every plain float32 linear layer on the CPU in blocked order, one after the other.

    `join`: siblings become one product. `half`: a model of any dtype computes in float32 from now
    on, its linear layers have weights of float16, its embeddings stay in half precision. Layers
    with hooks (offloaded ones) and subclasses (quantised ones, LoRA) stay as they are. Returns how
    many layers were packed.
    """
    if not can_pack():
        return 0
    count = 0
    for parent in list(model.modules()):
        plain = {name: one for name, one in parent.named_children() if _is_plain(one, half)}
        for names in SIBLINGS if join else ():
            some = [plain[name] for name in names if name in plain]
            if len(some) == len(names) and len({one.bias is None for one in some}) == 1:
                joined = Joined(_packed(some, half), [one.out_features for one in some])
                for at, name in enumerate(names):
                    setattr(parent, name, JoinedLinear(joined, at))
                    del plain[name]
                count += len(names)
        for name, child in plain.items():
            setattr(parent, name, _packed([child], half))
            count += 1
    if half != Half.NO:
        _widen(model, half)
    return count


def _packed(layers: Sequence[nn.Linear], half: Half) -> nn.Module:
    """One layer with the outputs of all."""
    weights = [one.weight.detach() for one in layers]
    biases = [one.bias for one in layers]
    weight = weights[0] if len(weights) == 1 else torch.cat(weights)
    bias = biases[0]
    if bias is not None:
        bias = nn.Parameter(torch.cat(biases).float(), requires_grad=False)
    if half == Half.ROUNDED or (half == Half.LOSSLESS and is_half(weight)):
        return HalfLinear(weight, bias)
    return PackedLinear(weight.float(), bias)


def _widen(model: Any, half: Half) -> None:
    """Make float32 of what is not a weight of a linear layer; embeddings stay half and give it."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Embedding:
                weight = child.weight
                kept = HalfEmbedding(child, torch.float16 if half == Half.ROUNDED else weight.dtype)
                kept.weight.data = weight.detach().to(kept.weight.dtype)
                setattr(parent, name, kept)
    for module in model.modules():
        if not isinstance(module, HalfEmbedding):
            own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
            for one in filter(torch.is_floating_point, own):
                one.data = one.data.float()


def _is_plain(module: Any, half: Half) -> bool:
    return (
        type(module) is nn.Linear
        and type(module.weight) is nn.Parameter  # torchao's are tensors of another class
        and module.weight.device.type == "cpu"
        and (half != Half.NO or module.weight.dtype == torch.float32)
        and not hasattr(module, "_hf_hook")
    )
