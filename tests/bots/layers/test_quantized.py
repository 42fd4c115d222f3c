"""Quantized layers: products over weights and inputs that begin anywhere in memory."""

import dataclasses

import pytest
import torch

from bots.layers.layout import Kernel, Layout, kernel_for, stored_codes, stored_scale
from bots.layers.quantized import QuantizedLinear

ROWS = (1, 4, 7)
OFFSETS = (2, 4, 8, 16, 32)


def layer(bits: int, inputs: int = 128) -> QuantizedLinear:
    """A layer of random codes with the kernel that a CPU takes in bfloat16."""
    torch.manual_seed(0)
    plain = Layout(64, inputs, bits, groups=inputs // 32 if bits == 4 else 1, signed=True)
    layout = dataclasses.replace(plain, kernel=kernel_for(plain, "cpu", torch.bfloat16))
    codes = torch.randint(0, 1 << bits, (64, inputs), dtype=torch.uint8)
    zero = torch.full((64, layout.groups), float(1 << (bits - 1)))
    found = QuantizedLinear(layout, bias=False, dtype=torch.bfloat16)
    found.weight.data = stored_codes(layout, codes)
    found.scale.data = stored_scale(layout, torch.rand(64, layout.groups), zero)
    if layout.kernel == Kernel.PLAIN and bits == 4:
        found.zero.data = zero.to(torch.int16)
    return found


def moved(tensor: torch.Tensor, offset: int) -> torch.Tensor:
    """A copy that begins `offset` bytes after an address that is aligned to 64."""
    memory = torch.empty(tensor.nbytes + 128, dtype=torch.uint8)
    start = -memory.data_ptr() % 64 + offset
    found = memory[start : start + tensor.nbytes].view(tensor.dtype).view(tensor.shape)
    return found.copy_(tensor)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("rows", ROWS)
def test_memory_may_begin_anywhere(bits: int, rows: int) -> None:
    one = layer(bits)
    given = torch.randn(rows, one.in_features).bfloat16()
    expected = one(given)
    for offset in OFFSETS:
        assert torch.equal(one(moved(given, offset)), expected)
        one.weight.data = moved(one.weight.data, offset)
        assert torch.equal(one(given), expected)


@pytest.mark.parametrize("inputs", [8, 24, 40, 48])
@pytest.mark.parametrize("rows", ROWS)
def test_rows_of_any_length(inputs: int, rows: int) -> None:
    """A row that ends within a vector: its neighbours begin unaligned."""
    one = layer(8, inputs)
    given = torch.randn(rows, inputs).bfloat16()
    weight = one.dequantized(slice(0, 64))
    expected = given.float() @ weight.T
    assert torch.allclose(one(given).float(), expected, rtol=0.02, atol=0.02 * expected.abs().max())
