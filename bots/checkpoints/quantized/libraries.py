"""Quantization while loading, by libraries that transformers integrates.

bitsandbytes: 8 bits (LLM.int8(), https://arxiv.org/abs/2208.07339) and 4 bits (NF4,
https://arxiv.org/abs/2305.14314). torchao: 8 bits, a scale for each row. All on a CPU and on CUDA.
"""

import importlib
import logging
from importlib.metadata import version
from typing import Any

import torch

from bots.errors import LoadError

LIBRARIES = {"bnb-8bit": "bitsandbytes", "bnb-4bit": "bitsandbytes", "torchao-int8": "torchao"}
"""Value of `--quantization` → the library that it needs."""

KERNEL_OUTPUTS = 32
"""Outputs of a block of bitsandbytes' AVX-512 kernel."""

_EXTRAS = {"bitsandbytes": "bnb", "torchao": "torchao"}


def quantization_config(way: str, dtype: torch.dtype) -> Any:
    """The quantization config for one of `LIBRARIES`; `dtype` is what the model computes in.

    Raises LoadError where the library is not installed or cannot be imported.
    """
    require(LIBRARIES[way], f"--quantization {way}")
    from transformers import BitsAndBytesConfig, TorchAoConfig

    if way == "torchao-int8":
        from torchao.quantization import Int8WeightOnlyConfig

        return TorchAoConfig(Int8WeightOnlyConfig())
    if way == "bnb-8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
    )


def require(library: str, what: str) -> None:
    """Raise LoadError unless `library` can be imported; `what` names the feature that needs it."""
    try:
        importlib.import_module(library)
    except ImportError as error:
        raise LoadError(
            f"{what} needs {library}: pip install 'chatzoo[{_EXTRAS[library]}]'. ({error})",
            param="quantization",
        ) from error
    # It logs a warning at each product that it casts to float16.
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)


def avoid_unfit_kernels(model: Any) -> None:
    """Turn bitsandbytes' AVX-512 kernel off for 4-bit layers whose shape it cannot take.

    On a CPU with bfloat16 instructions bitsandbytes repacks a layer at its first product. It fails
    unless the outputs fill whole blocks of 32 and a row of inputs whole blocks of scales; without
    the kernel, the layer is dequantized for each product.
    """
    for layer in model.modules():
        if getattr(layer, "support_avx512bf16_for_cpu", False):
            block = layer.weight.quant_state.blocksize
            if layer.out_features % KERNEL_OUTPUTS or layer.in_features % block:
                layer.support_avx512bf16_for_cpu = False


def described(way: str) -> str:
    """The name of one of `LIBRARIES` with its library's version, such as for `GET /info`."""
    library = LIBRARIES[way]
    return f"{way} ({library} {version(library)})"
