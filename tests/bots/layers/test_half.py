"""Weights of float16, arithmetic of float32."""

import pytest
import torch

from bots.layers.half import HalfLinear, can_halve, is_half

needs_fbgemm = pytest.mark.skipif(not can_halve(), reason="FBGEMM is for x86")


@needs_fbgemm
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [(1, 1), (1, 4), (70,), (2, 3)])
def test_the_product_is_that_of_float32(rows: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    weight, given = torch.randn(96, 48).half(), torch.randn(*rows, 48)
    added = torch.randn(96) if bias else None
    found = HalfLinear(weight, added)(given)
    assert found.dtype == torch.float32
    wanted = torch.nn.functional.linear(given, weight.float(), added)
    assert torch.allclose(found, wanted, atol=1e-5)


@needs_fbgemm
def test_what_float16_does_not_reach_is_its_largest(capfd: pytest.CaptureFixture[str]) -> None:
    layer = HalfLinear(torch.tensor([[1e6, 0.0], [0.0, -1e6]]))
    assert layer(torch.eye(2)).abs().max() == torch.finfo(torch.float16).max
    assert "out of range" not in capfd.readouterr().err


def test_what_float16_holds() -> None:
    torch.manual_seed(0)
    weight = torch.randn(5000, 8) * 0.02
    assert not is_half(weight)
    assert is_half(weight.half())
    assert is_half(weight.half().float())
    fine = weight.bfloat16()
    fine[7, 3] = 1e-7  # below float16's smallest normal number, and nothing beside the others
    assert is_half(fine)
    fine[4999] *= 1e-6  # a row of such numbers
    assert not is_half(fine)
    large = torch.ones(2, 2, dtype=torch.bfloat16)
    large[1, 1] = 1e6
    assert not is_half(large)
