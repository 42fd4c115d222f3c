# mypy: allow-subclassing-any
"""Quantizers of transformers that put this package's quantized layers into a model.

transformers calls a registered quantizer while the model is on the meta device. After that it
places, spreads and offloads the layers' tensors like any others. `CheckpointQuantizer` puts layers
where the plan of a quantized checkpoint has them; `Int8Quantizer` quantizes each linear layer's
weight when it is read.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from transformers.core_model_loading import ConversionOps
from transformers.quantizers import HfQuantizer, register_quantization_config, register_quantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from bots.errors import LoadError
from bots.layers.layout import Layout, kernel_for
from bots.layers.quantized import HalfEmbedding, QuantizedLinear

QUANTIZED, INT8 = "chatzoo_quantized", "chatzoo_int8"


@register_quantization_config(QUANTIZED)
class QuantizedConfig(QuantizationConfigMixin):
    """Layouts by layer name, and the dtype `half` of embedding and head, None for the model's."""

    def __init__(
        self,
        layouts: Mapping[str, Layout],
        half: torch.dtype | None = None,
        quant_method: str = QUANTIZED,
    ) -> None:
        self.layouts, self.half, self.quant_method = dict(layouts), half, quant_method


@register_quantization_config(INT8)
class Int8Config(QuantizationConfigMixin):
    """Int8 while loading; `device` is where the layers will compute, "cpu" or "cuda"."""

    def __init__(self, device: str, quant_method: str = INT8) -> None:
        self.device, self.quant_method = device, quant_method


class _LoadTimeQuantizer(HfQuantizer):
    def get_new_dtype(self, converter: Any, param: Any, dtype: torch.dtype | None) -> Any:
        """Keep the dtype that the layer declares: codes are no floating numbers."""
        return dtype

    def is_serializable(self) -> bool:
        """Whether the model can be saved: never in this form."""
        return False

    @property
    def is_trainable(self) -> bool:
        """Whether adapters can be trained: they can only be applied."""
        return False


@register_quantizer(QUANTIZED)
class CheckpointQuantizer(_LoadTimeQuantizer):
    """Quantized layers for the weights of a quantized checkpoint."""

    def _process_model_before_weight_loading(self, model: Any, **_: Any) -> None:
        config = self.quantization_config
        layouts, half = config.layouts, config.half
        head = model.get_output_embeddings()
        for name, module in list(model.named_modules()):
            if name in layouts:
                if not isinstance(module, nn.Linear):
                    raise LoadError(f"{name} is quantized, but is no linear layer.")
                _put(model, name, QuantizedLinear(layouts[name], **_bias(module)))
            elif half is not None and module is head and isinstance(head, nn.Linear):
                layout = Layout(module.out_features, module.in_features, 16, dtype=half)
                _put(model, name, QuantizedLinear(layout, **_bias(module)))
            elif half is not None and type(module) is nn.Embedding:
                _put(model, name, HalfEmbedding(module, half))


@register_quantizer(INT8)
class Int8Quantizer(_LoadTimeQuantizer):
    """Int8 layers with a scale for each row, quantized when their weights are read."""

    def _process_model_before_weight_loading(self, model: Any, **_: Any) -> None:
        device, tied = self.quantization_config.device, model.all_tied_weights_keys
        for name, module in list(model.named_modules()):
            if type(module) is nn.Linear and f"{name}.weight" not in tied:
                layout = int8_layout(module, device)
                _put(model, name, QuantizedLinear(layout, **_bias(module)))

    def param_needs_quantization(self, model: Any, param_name: str, **_: Any) -> bool:
        """Whether this parameter is the weight of a quantized layer."""
        layer = model.get_submodule(param_name.rpartition(".")[0])
        return param_name.endswith(".weight") and isinstance(layer, QuantizedLinear)

    def get_quantize_ops(self) -> ConversionOps:
        """The operation that turns a weight into codes and scales."""
        return _QuantizeRows()

    def _process_model_after_weight_loading(self, model: Any, **_: Any) -> None:
        for name, module in model.named_modules():
            if isinstance(module, QuantizedLinear):
                layout, shape = module.layout, tuple(module.weight.shape)
                if shape != (layout.outputs, layout.inputs):
                    raise LoadError(
                        f"{name}.weight is {list(shape)}, not"
                        f" {[layout.outputs, layout.inputs]} as its model's."
                    )
        head = model.get_output_embeddings()
        if type(head) is nn.Linear and not hasattr(head, "_hf_hook") and not head.weight.is_meta:
            # The head is tied to the embedding, which is not quantized: it gets its own codes.
            quantized = QuantizedLinear(
                int8_layout(head, self.quantization_config.device), bias=False, dtype=model.dtype
            )
            quantized.weight.data, scale = quantize_rows(head.weight.detach())
            quantized.scale.data = scale.view(quantized.scale.shape)
            quantized.bias = head.bias
            model.set_output_embeddings(quantized)


def int8_layout(linear: nn.Linear, device: str) -> Layout:
    """The layout of symmetric int8 by rows.

    On a CPU the product is in bfloat16 whatever the model's dtype: PyTorch's int8 kernel is fast
    only there.
    """
    layout = Layout(linear.out_features, linear.in_features, 8, signed=True, dtype=torch.bfloat16)
    return replace(layout, kernel=kernel_for(layout, device, torch.bfloat16))


def quantize_rows(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Quantize a weight to codes int8 [out, in] and scales bfloat16 [out].

    code = round(w / scale), with scale = max |w| / 127 of its row.
    """
    # Scales are rounded before codes are computed, so that codes fit the rounded ones. Rows of
    # zeros get a tiny scale, for a division by 0 gives no number.
    scale = (weight.abs().amax(1).float() / 127).clamp(min=1e-30).bfloat16()
    codes = torch.empty(weight.shape, dtype=torch.int8, device=weight.device)
    for start in range(0, len(weight), 1024):
        part = slice(start, start + 1024)
        codes[part] = (weight[part] / scale[part, None].float()).round_().clamp_(-127, 127)
    return codes, scale


class _QuantizeRows(ConversionOps):
    def convert(
        self, input_dict: dict[str, Any], full_layer_name: str = "", model: Any = None, **_: Any
    ) -> dict[str, torch.Tensor]:
        """`{name: weight}` → the packed tensors by their names."""
        (value,) = input_dict.values()
        codes, scale = quantize_rows(value[0] if isinstance(value, list) else value)
        name = full_layer_name.removesuffix("weight") + "scale"
        shape, _kind = model.get_submodule(name.removesuffix(".scale")).layout.tensors()["scale"]
        return {full_layer_name: codes, name: scale.view(-1, *shape[1:])}


def _bias(linear: nn.Linear) -> dict[str, Any]:
    return {"bias": linear.bias is not None, "dtype": linear.weight.dtype}


def _put(model: Any, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, module)
