# mypy: allow-subclassing-any
"""Our quantised layers put into transformers' models before their weights are placed.

transformers asks a registered quantizer to change the model while it is on no device; from then on
it places, spreads and offloads packed tensors as any other. `Packed` puts them where a checkpoint's
plan says; `Int8` quantises each linear layer's weight when it is read.
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
from bots.layers.quantized import HalfEmbedding, QuantisedLinear

PACKED, INT8 = "chatzoo_packed", "chatzoo_int8"


@register_quantization_config(PACKED)
class PackedConfig(QuantizationConfigMixin):
    """The layouts of a checkpoint's layers by name; `half` is the dtype that an embedding and a
    head are kept in, where the model computes in another."""

    METHOD = PACKED

    def __init__(
        self,
        layouts: Mapping[str, Layout],
        half: torch.dtype | None = None,
        quant_method: str = PACKED,
    ) -> None:
        self.layouts, self.half, self.quant_method = dict(layouts), half, quant_method


@register_quantization_config(INT8)
class Int8Config(QuantizationConfigMixin):
    """`device` is where the layers will compute, "cpu" or "cuda"."""

    def __init__(self, device: str, quant_method: str = INT8) -> None:
        self.device, self.quant_method = device, quant_method


class _Quantizer(HfQuantizer):
    def get_new_dtype(self, converter: Any, param: Any, dtype: torch.dtype | None) -> Any:
        """The dtype that the layer has, codes' too."""
        return dtype

    def is_serializable(self) -> bool:
        """Never saved in this form."""
        return False

    @property
    def is_trainable(self) -> bool:
        """Adapters can be put on, not trained."""
        return False


@register_quantizer(PACKED)
class Packed(_Quantizer):
    """Layers of a checkpoint that is quantised."""

    def _process_model_before_weight_loading(self, model: Any, **_: Any) -> None:
        config = self.quantization_config
        layouts, half = config.layouts, config.half
        head = model.get_output_embeddings()
        for name, module in list(model.named_modules()):
            if name in layouts:
                if not isinstance(module, nn.Linear):
                    raise LoadError(f"{name} is quantised, but is no linear layer.")
                _put(model, name, QuantisedLinear(layouts[name], **_bias(module)))
            elif half is not None and module is head and isinstance(head, nn.Linear):
                layout = Layout(module.out_features, module.in_features, 16, dtype=half)
                _put(model, name, QuantisedLinear(layout, **_bias(module)))
            elif half is not None and type(module) is nn.Embedding:
                _put(model, name, HalfEmbedding(module, half))


@register_quantizer(INT8)
class Int8(_Quantizer):
    """Every linear layer in int8 by rows, quantised when it is read."""

    def _process_model_before_weight_loading(self, model: Any, **_: Any) -> None:
        device, tied = self.quantization_config.device, model.all_tied_weights_keys
        for name, module in list(model.named_modules()):
            if type(module) is nn.Linear and f"{name}.weight" not in tied:
                layout = int8_layout(module, device)
                _put(model, name, QuantisedLinear(layout, **_bias(module)))

    def param_needs_quantization(self, model: Any, param_name: str, **_: Any) -> bool:
        """Whether it is the weight of a layer that is quantised."""
        layer = model.get_submodule(param_name.rpartition(".")[0])
        return param_name.endswith(".weight") and isinstance(layer, QuantisedLinear)

    def get_quantize_ops(self) -> ConversionOps:
        """What makes packed tensors of one weight."""
        return _Quantise()

    def _process_model_after_weight_loading(self, model: Any, **_: Any) -> None:
        for name, module in model.named_modules():
            if isinstance(module, QuantisedLinear):
                layout, found = module.layout, tuple(module.weight.shape)
                if found != (layout.outputs, layout.inputs):
                    raise LoadError(
                        f"{name}.weight is {list(found)}, not"
                        f" {[layout.outputs, layout.inputs]} as its model's."
                    )
        head = model.get_output_embeddings()
        if type(head) is nn.Linear and not hasattr(head, "_hf_hook") and not head.weight.is_meta:
            # Tied to the embedding, which stays as it is: the head has codes of its own.
            own = QuantisedLinear(
                int8_layout(head, self.quantization_config.device), bias=False, dtype=model.dtype
            )
            own.weight.data, scale = quantise_rows(head.weight.detach())
            own.scale.data = scale.view(own.scale.shape)
            own.bias = head.bias
            model.set_output_embeddings(own)


def int8_layout(linear: nn.Linear, device: str) -> Layout:
    """Symmetric int8 by rows. On a CPU the product is in bfloat16, whatever the model is in."""
    layout = Layout(linear.out_features, linear.in_features, 8, signed=True, dtype=torch.bfloat16)
    return replace(layout, kernel=kernel_for(layout, device, torch.bfloat16))


def quantise_rows(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes int8 [out, in] and scales bfloat16 [out] of a weight: code = round(w / scale), with
    scale = max |w| / 127 of its row."""
    scale = (weight.abs().amax(1).float() / 127).clamp(min=1e-30).bfloat16()
    codes = torch.empty(weight.shape, dtype=torch.int8, device=weight.device)
    for start in range(0, len(weight), 1024):
        part = slice(start, start + 1024)
        codes[part] = (weight[part] / scale[part, None].float()).round_().clamp_(-127, 127)
    return codes, scale


class _Quantise(ConversionOps):
    def convert(
        self, input_dict: dict[str, Any], full_layer_name: str = "", model: Any = None, **_: Any
    ) -> dict[str, torch.Tensor]:
        """`{name: weight}` → the packed tensors by their names."""
        (value,) = input_dict.values()
        codes, scale = quantise_rows(value[0] if isinstance(value, list) else value)
        name = full_layer_name.removesuffix("weight") + "scale"
        shape, _kind = model.get_submodule(name.removesuffix(".scale")).layout.tensors()["scale"]
        return {full_layer_name: codes, name: scale.view(-1, *shape[1:])}


def _bias(linear: nn.Linear) -> dict[str, Any]:
    return {"bias": linear.bias is not None, "dtype": linear.weight.dtype}


def _put(model: Any, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, module)
