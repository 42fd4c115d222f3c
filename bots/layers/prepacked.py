"""Linear layers on a CPU with their weights prepacked in the order that a fast kernel reads.

For float32 it is oneDNN's blocked order; for float16 see `bots.layers.half`. With few rows
PyTorch's own product reads the weights in their plain order: four or eight rows take up to twice
the time of the blocked order, and one row gains nothing from a second thread. The operators are
those of PyTorch's compiler (`torch/_inductor/fx_passes/mkldnn_fusion.py`); they are no public
interface, so `can_prepack` looks for them.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Any

import torch
from torch import nn

from bots.layers.half import HalfLinear, is_half
from bots.layers.quantized import HalfEmbedding


def can_prepack() -> bool:
    """Whether this build of PyTorch has the operators."""
    return torch.backends.mkldnn.is_available() and all(
        hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise")
    )


SIBLINGS = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
"""Layers that get the same input in every decoder with layers of these names. In an encoder-decoder
model this does not hold: in cross-attention the queries' input differs from the keys'."""


class PrepackedLinear(nn.Module):  # type: ignore[misc]
    """`nn.Linear` with its weight [out, in] in oneDNN's blocked order."""

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


class FusedProduct:
    """Sibling layers as one product, because each call costs some 60 µs besides its arithmetic.

    `linear` has the outputs of all siblings, `sizes` of them each. The first sibling that is called
    computes the product; it is kept until the last one has taken its share. A repeated call of one
    sibling, or another input, computes it again. For one forward pass at a time.
    """

    def __init__(self, linear: nn.Module, sizes: Sequence[int]) -> None:
        self.linear, self.sizes = linear, list(sizes)
        self._rows: torch.Tensor | None = None
        self._products: list[torch.Tensor | None] = []

    def take(self, index: int, rows: torch.Tensor) -> torch.Tensor:
        """The product of `rows` [..., in] with sibling `index`."""
        if rows is not self._rows or self._products[index] is None:
            self._rows = rows
            self._products = list(self.linear(rows).split(self.sizes, dim=-1))
        product = self._products[index]
        assert product is not None
        # Dropped at once: activations must not live until the next pass.
        self._products[index] = None
        if all(part is None for part in self._products):
            self._rows = None
        return product


class FusedLinear(nn.Module):  # type: ignore[misc]
    """The sibling `index` of a `FusedProduct`."""

    def __init__(self, product: FusedProduct, index: int) -> None:
        super().__init__()
        self.out_features = product.sizes[index]
        self._product, self._index = product, index
        if index == 0:
            self.linear = product.linear  # registers the parameters with the model, once

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """`rows` [..., in] → [..., out], a view."""
        return self._product.take(self._index, rows)


class Half(Enum):
    """Whether weights become float16."""

    NO = "no"
    LOSSLESS = "where nothing is lost"
    ROUNDED = "always"


@torch.no_grad()  # type: ignore[untyped-decorator]
def prepack(model: Any, *, fuse: bool = True, half: Half = Half.NO) -> int:
    """Replace every plain linear layer on the CPU by a prepacked one. Returns how many.

    Without `half`, float32 layers alone are replaced. With it, a model of any dtype computes in
    float32 afterwards: its linear layers get float16 weights and its embeddings stay in half
    precision. `fuse`: siblings become one product. Layers with hooks (offloaded ones) and
    subclasses of `nn.Linear` (quantized ones, LoRA) stay as they are.

    Memory: the original weights of a module are freed once all of its children are replaced, so
    that only the layers of one module are held twice. Weights that are mapped from a file are not
    freed with their tensors; `bots.engine.device.page_out_files` does that.
    """
    if not can_prepack():
        return 0
    count = 0
    for parent in list(model.modules()):
        plain = {name: child for name, child in parent.named_children() if _is_plain(child, half)}
        for names in SIBLINGS if fuse else ():
            layers = [plain[name] for name in names if name in plain]
            if len(layers) == len(names) and len({layer.bias is None for layer in layers}) == 1:
                sizes = [layer.out_features for layer in layers]
                product = FusedProduct(_prepacked(layers, half), sizes)
                for index, name in enumerate(names):
                    setattr(parent, name, FusedLinear(product, index))
                    del plain[name]
                count += len(names)
        for name, child in plain.items():
            setattr(parent, name, _prepacked([child], half))
            count += 1
    if half != Half.NO:
        _widen(model, half)
    return count


def _prepacked(layers: Sequence[nn.Linear], half: Half) -> nn.Module:
    """One layer with the outputs of all `layers`."""
    weights = [layer.weight.detach() for layer in layers]
    biases = [layer.bias for layer in layers]
    weight = weights[0] if len(weights) == 1 else torch.cat(weights)
    bias = biases[0]
    if bias is not None:
        bias = nn.Parameter(torch.cat(biases).float(), requires_grad=False)
    if half == Half.ROUNDED or (half == Half.LOSSLESS and is_half(weight)):
        return HalfLinear(weight, bias)
    return PrepackedLinear(weight.float(), bias)


def _widen(model: Any, half: Half) -> None:
    """Make all tensors float32 but the weights of linear layers and embeddings.

    Embeddings are large and only looked up: they stay in half precision and return float32.
    """
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Embedding:
                weight = child.weight
                kept = HalfEmbedding(child, torch.float16 if half == Half.ROUNDED else weight.dtype)
                kept.weight.data = weight.detach().to(kept.weight.dtype)
                setattr(parent, name, kept)
    for module in model.modules():
        if not isinstance(module, HalfEmbedding):
            tensors = (*module.parameters(recurse=False), *module.buffers(recurse=False))
            for tensor in filter(torch.is_floating_point, tensors):
                tensor.data = tensor.data.float()


def _is_plain(module: Any, half: Half) -> bool:
    """Whether a layer is exactly an `nn.Linear` in the CPU's memory, of a dtype to be prepacked."""
    return (
        type(module) is nn.Linear
        and type(module.weight) is nn.Parameter  # torchao's are tensors of another class
        and module.weight.device.type == "cpu"
        and (half != Half.NO or module.weight.dtype == torch.float32)
        and not hasattr(module, "_hf_hook")
    )
