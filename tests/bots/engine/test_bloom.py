"""BLOOM's attention, replaced by one that computes ragged batches."""

from typing import Any

import pytest
import torch
from transformers import BloomConfig, BloomForCausalLM

from bots.engine.attention import Chunk, RaggedBatch
from bots.engine.bloom import patch_bloom
from bots.engine.ragged_batch import RaggedBatchRunner
from tests.bots.engine.models import llama, made, prompt_of


def bloom(heads: int = 4) -> Any:
    return made(
        lambda: BloomForCausalLM(
            BloomConfig(vocab_size=97, hidden_size=8 * heads, n_layer=2, n_head=heads)
        )
    )


def no_batch() -> RaggedBatch | None:
    return None


def test_other_models_are_left_alone() -> None:
    model = llama()
    before = {name: module.forward for name, module in model.named_modules()}
    assert not patch_bloom(model, no_batch)
    assert {name: module.forward for name, module in model.named_modules()} == before


@torch.inference_mode()  # type: ignore[untyped-decorator]
def test_a_plain_pass_is_the_original(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a mask of padding, too, which a ragged batch has not."""
    ids = torch.tensor([prompt_of(9), prompt_of(9, 1)])
    mask = torch.ones_like(ids)
    mask[0, :3] = 0
    wanted = bloom()(input_ids=ids, attention_mask=mask).logits
    model = bloom()
    assert patch_bloom(model, no_batch)
    assert torch.equal(model(input_ids=ids, attention_mask=mask).logits, wanted)


@pytest.mark.parametrize("heads", [1, 4, 6])
@torch.inference_mode()  # type: ignore[untyped-decorator]
def test_slopes_are_the_model_s_own(heads: int) -> None:
    """Also for numbers of heads that are no power of two, for which ALiBi has a rule of its own."""
    ids = torch.tensor(prompt_of(40))
    wanted = bloom(heads)(input_ids=ids[None]).logits[0, -1]
    runner = RaggedBatchRunner(bloom(heads))
    cache = runner.new_cache()
    runner.forward([Chunk(cache, ids[:17])])
    [found] = runner.forward([Chunk(cache, ids[17:])])
    assert torch.allclose(found[0], wanted, atol=1e-4)
