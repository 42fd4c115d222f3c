# mypy: allow-subclassing-any
"""A linear layer over a quantized weight, and an embedding in half precision."""

from typing import Any

import torch
from torch import nn

from bots.layers.layout import Kernel, Layout

BLOCK = {"cpu": 1 << 19, "cuda": 1 << 25}
"""Weights dequantized at a time: 2 MB of float32 on a CPU, which its cache holds; on a GPU enough
to keep it busy, within 128 MB."""

FEW_ROWS = 64
"""Rows up to which `INT8PACK` is faster than dequantizing."""

ALIGNMENT = 64
"""Bytes of the widest vector."""


class QuantizedLinear(nn.Linear):
    """A linear layer over the tensors of `layout`.

    It is an `nn.Linear` because peft puts adapters on those alone. `weight` holds codes.
    """

    _is_hf_initialized = True  # else transformers puts random numbers in place of offloaded codes

    def __init__(self, layout: Layout, *, bias: bool, dtype: torch.dtype) -> None:
        nn.Module.__init__(self)  # nn.Linear's constructor allocates a full-size weight
        self.in_features, self.out_features = layout.inputs, layout.outputs
        self.layout = layout
        stored = layout.tensors()
        for name in ("weight", "scale", "zero", "order", "group"):
            shape, kind = stored.get(name, ((), None))
            self.register_parameter(name, None if kind is None else _empty(shape, kind))
        self.register_parameter("bias", _empty((layout.outputs,), dtype) if bias else None)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Multiply `rows` [..., in] with the weight: [..., out]."""
        flat = rows.reshape(-1, self.in_features)
        if self.order is not None:
            flat = flat.index_select(1, self.order)
        out = self._product(flat)
        if self.bias is not None:
            out = out + self.bias
        return out.view(*rows.shape[:-1], self.out_features).to(rows.dtype)

    @property
    def exact(self) -> bool:
        """Whether the kernel rounds nothing beyond the dtype of its input."""
        return self.layout.kernel == Kernel.PLAIN

    def _product(self, rows: torch.Tensor) -> Any:
        layout = self.layout
        if layout.kernel == Kernel.INT4PACK:
            return torch.ops.aten._weight_int4pack_mm_for_cpu(
                rows.bfloat16(), self.weight, layout.kernel_group, self.scale
            )
        if layout.kernel == Kernel.INT8PACK and rows.shape[0] <= FEW_ROWS:
            given = _aligned(rows.bfloat16())
            return torch._weight_int8pack_mm(given, _aligned(self.weight), self.scale)
        return self._plain(rows)

    def _plain(self, rows: torch.Tensor) -> torch.Tensor:
        """The product by blocks of dequantized rows; on a CPU in float32."""
        kind = rows.device.type
        given = rows.float() if kind == "cpu" else rows
        out = given.new_empty(len(rows), self.out_features)
        step = max(16, BLOCK.get(kind, BLOCK["cuda"]) // self.in_features)
        for start in range(0, self.out_features, step):
            part = slice(start, start + step)
            out[:, part] = given @ self.dequantized(part).to(given.dtype).T
        return out

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def dequantized(self, rows: slice) -> torch.Tensor:
        """Rows of the weight [some, in] in float32, columns in the stored order."""
        codes = self.weight[rows]
        if self.layout.bits == 4:
            half = self.in_features // 2
            weight = torch.empty(len(codes), 2 * half, device=codes.device)
            weight[:, :half] = codes & 15
            weight[:, half:] = codes >> 4
        else:
            weight = codes.float()
        if self.scale is None:
            return weight
        if self.layout.kernel == Kernel.INT8PACK:
            return weight.mul_(self.scale[rows, None])
        for part, apply in ((self.zero, torch.Tensor.sub_), (self.scale, torch.Tensor.mul_)):
            if part is not None:
                factors = part[rows].float()
                if self.group is not None:
                    factors = factors.index_select(1, self.group)
                apply(weight.view(len(codes), factors.shape[1], -1), factors[:, :, None])
        return weight

    def extra_repr(self) -> str:
        """The text in parentheses when the model is printed."""
        return f"{self.in_features} → {self.out_features}, {self.layout}"


class HalfEmbedding(nn.Embedding):
    """An embedding that stores half precision and returns float32."""

    def __init__(self, embedding: nn.Embedding, dtype: torch.dtype) -> None:
        nn.Module.__init__(self)
        self.num_embeddings, self.embedding_dim = embedding.weight.shape
        self.padding_idx = embedding.padding_idx
        self.max_norm, self.norm_type = None, 2.0
        self.scale_grad_by_freq = self.sparse = False
        self.weight = _empty(tuple(embedding.weight.shape), dtype)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Look up ids [...]: float32 [..., dim]."""
        return nn.functional.embedding(ids, self.weight).float()


def _aligned(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor, copied if its memory does not begin where an AVX-512 vector may.

    A view of some rows and a weight mapped from a file begin anywhere; PyTorch's own memory is
    aligned to 64 bytes. Its int8 kernel for AVX-512 with bfloat16 crashes on anything else.
    """
    return tensor if tensor.data_ptr() % ALIGNMENT == 0 else tensor.clone()


def kernels(model: Any) -> list[str]:
    """The names of the kernels of a model's quantized layers, sorted."""
    layouts = [module.layout for module in model.modules() if isinstance(module, QuantizedLinear)]
    return sorted({str(layout.kernel) for layout in layouts if layout.bits != 16})


def _empty(shape: tuple[int, ...], dtype: torch.dtype) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape, dtype=dtype), requires_grad=False)
