"""Quantized weights: exactly the originals' numbers, and files that do not fit together."""

from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from bots.checkpoints.load import read_config
from bots.checkpoints.quantized.formats import (
    GptqFormat,
    RowwiseFormat,
    dequantize,
    dequantized_recipes,
    quantized_format,
    unpack_codes,
)
from bots.checkpoints.shards import Shards
from bots.errors import LoadError
from tests.golden_data import GOLDEN

QUANTISED = [
    "moss_int4",
    "moss_int8",
    "chatglm_int4",
    "chatglm_int8",
    "chatglm2_int4",
    "llama_gptq",
]


@pytest.mark.parametrize("name", QUANTISED)
def test_weights_are_bit_for_bit_the_originals(name: str) -> None:
    shards = Shards(GOLDEN / name)
    recipes = dequantized_recipes(shards.names, quantized_format(read_config(GOLDEN / name)))
    wanted = load_file(GOLDEN / name / "golden_dequant.safetensors")
    assert wanted
    for layer, weight in wanted.items():
        tensor = layer.removesuffix(".weight") + ".weight"
        recipe = recipes[tensor]
        assert len(recipe.sources) > 1, f"{tensor} is not quantized"
        made = recipe.make(*map(shards.read, recipe.sources))
        assert made.dtype == torch.float32
        assert torch.equal(made, weight.float()), tensor


@pytest.mark.parametrize(
    ("config", "how"),
    [
        ({}, None),
        ({"quantization_bit": 0}, None),
        ({"quantization_bit": 8}, RowwiseFormat(8)),
        ({"wbits": 4, "groupsize": 128}, GptqFormat(4)),
        ({"quantization_config": {"bits": 3, "group_size": 128}}, GptqFormat(3)),
        ({"quantization_config": {"bits": 4, "checkpoint_format": "gptq_v2"}}, GptqFormat(4, 0)),
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}, None),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, None),
    ],
)
def test_formats_are_told_by_the_config(config: dict[str, Any], how: object) -> None:
    assert quantized_format(config) == how


@pytest.mark.parametrize(
    "config",
    [
        {"quantization_bit": 4, "quantization_embeddings": True},
        {"quantization_bit": 3},
        {"wbits": 5},
        {"quantization_config": {"bits": 4, "checkpoint_format": "marlin"}},
    ],
)
def test_variants_that_are_not_known(config: dict[str, Any]) -> None:
    with pytest.raises(LoadError, match="not supported"):
        quantized_format(config)


def test_parts_that_are_missing() -> None:
    with pytest.raises(LoadError, match=r"missing: a\.g_idx"):
        dequantized_recipes({"a.qweight", "a.qzeros", "a.scales"}, GptqFormat(4))
    with pytest.raises(LoadError, match=r"missing: a\.weight"):
        dequantized_recipes({"a.weight_scale"}, RowwiseFormat(8))
    with pytest.raises(LoadError, match="no tensor is quantized"):
        dequantized_recipes({"a.weight"}, RowwiseFormat(8))


def gptq(bits: int) -> dict[str, torch.Tensor]:
    """Two groups of 32 inputs, 64 outputs."""
    per = 32 // bits
    return {
        "qweight": torch.zeros(64 // per, 64, dtype=torch.int32),
        "qzeros": torch.zeros(2, 64 // per, dtype=torch.int32),
        "scales": torch.ones(2, 64),
        "g_idx": torch.arange(64, dtype=torch.int32) // 32,
    }


def test_the_formula_by_hand() -> None:
    parts = gptq(4)
    parts["qweight"][0, 1] = 0x7A  # input 0: 10, input 1: 7
    parts["qzeros"][0, 0] = 0x20  # output 1: 2, and v1 adds one
    parts["scales"][0, 1] = 0.5
    weight = dequantize(GptqFormat(4), *parts.values())
    assert weight.shape == (64, 64)
    assert weight[1, :3].tolist() == [3.5, 2.0, -1.5]
    assert dequantize(GptqFormat(4, zero_offset=0), *parts.values())[1, 0] == 4.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"scales": torch.ones(2, 32)},
        {"qzeros": torch.zeros(1, 8, dtype=torch.int32)},
        {"g_idx": torch.zeros(32, dtype=torch.int32)},
        {"g_idx": torch.full((64,), 2, dtype=torch.int32)},
    ],
)
def test_shapes_that_do_not_fit(wrong: dict[str, torch.Tensor]) -> None:
    with pytest.raises(LoadError, match="does not fit together at 4 bits"):
        dequantize(GptqFormat(4), *(gptq(4) | wrong).values())
    with pytest.raises(LoadError, match="does not fit together at 8 bits"):
        dequantize(GptqFormat(8), *gptq(4).values())


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_codes_are_the_words_bits_lowest_first(bits: int) -> None:
    """Those of 3 bits lie across words."""
    codes = torch.randint(1 << bits, (64, 5), generator=torch.Generator().manual_seed(bits))
    words = []
    for column in codes.T.tolist():
        whole = sum(code << bits * at for at, code in enumerate(column))
        words.append([(whole >> 32 * at) & 0xFFFFFFFF for at in range(64 * bits // 32)])
    packed = torch.tensor(words).T.to(torch.int32)
    assert torch.equal(unpack_codes(packed, bits), codes.to(torch.uint8))


def test_rows_by_hand() -> None:
    packed = torch.tensor([[0x1F, -0x7F]], dtype=torch.int8)  # 1, −1, −8, 1
    assert dequantize(RowwiseFormat(4), packed, torch.tensor([2.0])).tolist() == [[2, -2, -16, 2]]
    with pytest.raises(LoadError, match="does not fit"):
        dequantize(RowwiseFormat(8), packed.float(), torch.ones(1))
    with pytest.raises(LoadError, match="does not fit"):
        dequantize(RowwiseFormat(8), packed, torch.ones(2))
