"""The layout of quantized weights: stored tensors, and the conditions of each kernel."""

from dataclasses import replace

import pytest
import torch

from bots.layers.layout import Kernel, Layout, kernel_for, stored_codes, stored_scale, stored_zero

FOUR = Layout(32, 64, 4, groups=2)
EIGHT = Layout(32, 64, 8, signed=True)


@pytest.mark.parametrize(
    ("layout", "device", "dtype", "kernel"),
    [
        (FOUR, "cpu", torch.bfloat16, Kernel.INT4PACK),
        (FOUR, "cpu", torch.float32, Kernel.PLAIN),
        (FOUR, "cuda", torch.bfloat16, Kernel.PLAIN),
        (replace(FOUR, outputs=24), "cpu", torch.bfloat16, Kernel.PLAIN),
        (replace(FOUR, groups=4), "cpu", torch.bfloat16, Kernel.PLAIN),
        (replace(FOUR, uneven=True), "cpu", torch.bfloat16, Kernel.PLAIN),
        (EIGHT, "cpu", torch.bfloat16, Kernel.INT8PACK),
        (replace(EIGHT, inputs=72), "cpu", torch.bfloat16, Kernel.PLAIN),
        (replace(EIGHT, groups=2), "cpu", torch.bfloat16, Kernel.PLAIN),
        (replace(EIGHT, signed=False), "cpu", torch.bfloat16, Kernel.PLAIN),
        (replace(EIGHT, bits=16), "cpu", torch.bfloat16, Kernel.PLAIN),
    ],
)
def test_each_kernel_has_its_conditions(
    layout: Layout, device: str, dtype: torch.dtype, kernel: Kernel
) -> None:
    assert kernel_for(layout, device, dtype) == kernel


def test_stored_tensors() -> None:
    assert set(FOUR.tensors()) == {"weight", "scale", "zero"}
    assert set(EIGHT.tensors()) == {"weight", "scale"}
    assert set(replace(FOUR, ordered=True, uneven=True).tensors()) == {
        "weight", "scale", "zero", "order", "group",
    }  # fmt: skip
    assert FOUR.tensors()["weight"] == ((32, 32), torch.uint8)
    assert EIGHT.tensors()["weight"] == ((32, 64), torch.int8)


def test_what_is_stored_has_the_declared_shapes() -> None:
    scale, zero = torch.rand(32, 2), torch.full((32, 2), 7.0)
    codes = torch.arange(32 * 64).view(32, 64).remainder(16).to(torch.uint8)
    for layout in (FOUR, replace(FOUR, kernel=Kernel.INT4PACK)):
        made = {
            "weight": stored_codes(layout, codes),
            "scale": stored_scale(layout, scale, zero),
            "zero": stored_zero(layout, scale, zero),
        }
        for name, (shape, dtype) in layout.tensors().items():
            assert (tuple(made[name].shape), made[name].dtype) == (shape, dtype), name


def test_four_bits_are_two_halves_of_a_row() -> None:
    codes = torch.tensor([[1, 2, 3, 4]], dtype=torch.uint8)
    assert stored_codes(Layout(1, 4, 4), codes).tolist() == [[1 | 3 << 4, 2 | 4 << 4]]
    assert stored_codes(Layout(1, 4, 8), codes + 127).tolist() == [[0, 1, 2, 3]]
