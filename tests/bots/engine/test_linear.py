"""Linear layers in blocked order: the same products, and what must stay as it is."""

from typing import Any

import pytest
import torch
from torch import nn

from bots.engine.linear import PackedLinear, can_pack, pack

needs_onednn = pytest.mark.skipif(not can_pack(), reason="this build of PyTorch has no oneDNN")


@needs_onednn
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [(1, 1), (1, 4), (1, 70), (2, 3)])
def test_products_are_the_same(rows: tuple[int, int], bias: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(48, 96, bias=bias))
    given = torch.randn(*rows, 48)
    wanted = model(given)
    assert pack(model) == 1
    assert isinstance(model[0], PackedLinear)
    with torch.inference_mode():
        assert torch.allclose(model(given), wanted, atol=1e-5)


class Quantised(nn.Linear):  # type: ignore[misc]
    """Somebody else's layer."""


@needs_onednn
def test_what_is_not_plain_stays() -> None:
    hooked: Any = nn.Linear(4, 4)
    hooked._hf_hook = object()
    model = nn.ModuleList(
        [nn.Linear(4, 4, dtype=torch.bfloat16), Quantised(4, 4), hooked, nn.Embedding(4, 4)]
    )
    assert pack(model) == 0


@needs_onednn
def test_a_tied_embedding_is_left_whole() -> None:
    model = nn.ModuleDict({"embed": nn.Embedding(8, 4), "head": nn.Linear(4, 8, bias=False)})
    model["head"].weight = model["embed"].weight
    assert pack(model) == 1
    assert model["embed"](torch.tensor([3])).shape == (1, 4)
