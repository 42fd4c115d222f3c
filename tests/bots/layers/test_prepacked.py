"""Prepacked layers give the same products; layers that must stay are left alone."""

from typing import Any

import pytest
import torch
from torch import nn

from bots.checkpoints.adapter import put_on
from bots.checkpoints.load import Checkpoint
from bots.layers.half import HalfLinear, can_halve
from bots.layers.prepacked import FusedLinear, Half, PrepackedLinear, can_prepack, prepack
from bots.layers.quantized import HalfEmbedding
from tests.golden_data import GOLDEN, cases

needs_onednn = pytest.mark.skipif(not can_prepack(), reason="this build of PyTorch has no oneDNN")


@needs_onednn
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [(1, 1), (1, 4), (1, 70), (2, 3)])
def test_products_are_the_same(rows: tuple[int, int], bias: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(48, 96, bias=bias))
    given = torch.randn(*rows, 48)
    wanted = model(given)
    assert prepack(model) == 1
    assert isinstance(model[0], PrepackedLinear)
    with torch.inference_mode():
        assert torch.allclose(model(given), wanted, atol=1e-5)


class Quantized(nn.Linear):  # type: ignore[misc]
    """A layer of another library."""


@needs_onednn
def test_what_is_not_plain_stays() -> None:
    hooked: Any = nn.Linear(4, 4)
    hooked._hf_hook = object()
    model = nn.ModuleList(
        [nn.Linear(4, 4, dtype=torch.bfloat16), Quantized(4, 4), hooked, nn.Embedding(4, 4)]
    )
    assert prepack(model) == 0


@needs_onednn
def test_a_tied_embedding_is_left_whole() -> None:
    model = nn.ModuleDict({"embed": nn.Embedding(8, 4), "head": nn.Linear(4, 8, bias=False)})
    model["head"].weight = model["embed"].weight
    assert prepack(model) == 1
    assert model["embed"](torch.tensor([3])).shape == (1, 4)


class Attention(nn.Module):  # type: ignore[misc]
    """Three layers of one input, in an order of its own."""

    def __init__(self, *, bias: bool, odd: bool = False) -> None:
        super().__init__()
        self.v_proj = nn.Linear(12, 6, bias=bias)
        self.q_proj = nn.Linear(12, 24, bias=bias)
        self.k_proj = nn.Linear(12, 6, bias=bias and not odd)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """`rows` [..., 12] → [..., 36]."""
        return torch.cat((self.k_proj(rows), self.v_proj(rows), self.q_proj(rows)), -1)


@needs_onednn
@pytest.mark.parametrize("bias", [True, False])
def test_layers_of_one_input_are_one_product(bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Attention(bias=bias)
    one, other = torch.randn(1, 5, 12), torch.randn(1, 3, 12)
    wanted = [model(rows) for rows in (one, other)]
    parameters = sum(one.numel() for one in model.parameters())
    assert prepack(model) == 3
    assert all(type(layer) is FusedLinear for layer in (model.q_proj, model.k_proj, model.v_proj))
    assert sum(one.numel() for one in model.parameters()) == parameters
    products: list[torch.Size] = []
    forward = PrepackedLinear.forward

    def counted(layer: PrepackedLinear, rows: torch.Tensor) -> torch.Tensor:
        products.append(rows.shape)
        return forward(layer, rows)

    monkeypatch.setattr(PrepackedLinear, "forward", counted)
    with torch.inference_mode():
        for rows, expected in zip((one, other, one), (*wanted, wanted[0]), strict=True):
            assert torch.allclose(model(rows), expected, atol=1e-5)
        assert len(products) == 3
        # One layer by itself, twice, and then with another input.
        for rows, expected in ((one, wanted[0]), (one, wanted[0]), (other, wanted[1])):
            assert torch.allclose(model.k_proj(rows), expected[..., :6], atol=1e-5)


@needs_onednn
def test_an_encoder_decoder_has_no_siblings() -> None:
    """The queries of its attention to the encoder have another input than the keys."""
    model = Attention(bias=True)
    assert prepack(model, fuse=False) == 3
    assert type(model.q_proj) is PrepackedLinear


@needs_onednn
def test_layers_that_differ_are_not_fused() -> None:
    model = Attention(bias=True, odd=True)
    rows = torch.randn(2, 12)
    wanted = model(rows)
    assert prepack(model) == 3
    assert type(model.q_proj) is PrepackedLinear
    with torch.inference_mode():
        assert torch.allclose(model(rows), wanted, atol=1e-5)


needs_fbgemm = pytest.mark.skipif(not can_halve(), reason="FBGEMM is for x86")


@needs_fbgemm
@pytest.mark.parametrize(
    "name", ["chatglm", "chatglm2", "firefly", "internlm2", "llama", "moss", "t5"]
)
def test_a_model_of_bfloat16_computes_in_float32_and_loses_nothing(name: str) -> None:
    """Of each native class: the logits of its own weights, all of them at full size."""
    checkpoint, case = Checkpoint(GOLDEN / name), cases(name)[0]
    more = {"position_ids": torch.tensor(p)} if (p := case.facts.get("position_ids")) else {}
    if name == "t5":
        more["decoder_input_ids"] = torch.tensor([[0, 5, 6]]).expand(len(case.ids), 3)
    found = []
    for half in (Half.LOSSLESS, None):
        one = checkpoint.load(dtype=torch.bfloat16, device_map={"": "cpu"})
        if half:
            assert prepack(one, fuse=name != "t5", half=half)
            assert any(isinstance(layer, HalfLinear) for layer in one.modules())
        else:
            one.float()
        with torch.inference_mode():
            found.append(one(input_ids=case.ids, attention_mask=case.mask, **more).logits)
    assert found[0].dtype == torch.float32
    assert torch.allclose(*found, atol=1e-4)


@needs_fbgemm
@pytest.mark.parametrize("half", [Half.LOSSLESS, Half.ROUNDED])
def test_what_float16_does_not_hold_stays_unless_it_is_to_be_rounded(half: Half) -> None:
    model = nn.ModuleDict(
        {"held": nn.Linear(8, 8, dtype=torch.bfloat16), "not": nn.Linear(8, 8)}
        | {"embed": nn.Embedding(4, 8, dtype=torch.bfloat16), "norm": nn.LayerNorm(8).bfloat16()}
    )
    embedded = model["embed"](torch.arange(4)).float()
    assert prepack(model, half=half) == 2
    assert type(model["held"]) is HalfLinear
    assert type(model["not"]) is (HalfLinear if half == Half.ROUNDED else PrepackedLinear)
    assert type(model["embed"]) is HalfEmbedding
    assert model["norm"].weight.dtype == torch.float32
    found = model["embed"](torch.arange(4))
    assert found.dtype == torch.float32
    assert torch.allclose(found, embedded, rtol=0, atol=1e-3 if half == Half.ROUNDED else 0)


@needs_fbgemm
@pytest.mark.parametrize("merge", [False, True])
def test_an_adapter_on_a_base_of_half_precision(merge: bool) -> None:
    """Its own weights, which float16 does not hold, stay float32."""
    found, case = [], cases("chinese_vicuna_lora")[0]
    for half in (Half.LOSSLESS, None):
        base = Checkpoint(GOLDEN / "llama").load(dtype=torch.bfloat16, device_map={"": "cpu"})
        model = put_on(base, GOLDEN / "chinese_vicuna_lora", merge=merge)
        if half:
            assert prepack(model, half=half)
            assert any(isinstance(layer, HalfLinear) for layer in model.modules())
        else:
            model.float()
        with torch.inference_mode():
            found.append(model(input_ids=case.ids, attention_mask=case.mask).logits)
    assert torch.allclose(*found, atol=1e-4)
