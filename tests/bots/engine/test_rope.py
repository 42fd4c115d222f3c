"""Prompts that must not be cut, and lengths that must not be remembered."""

import threading
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from bots.engine.causal import CausalRun
from bots.engine.rope import single_prefill_reason


@pytest.fixture(scope="module")
def growing() -> Any:
    """A model trained for 16 positions whose frequencies depend on the length beyond."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=16,
        rope_parameters={"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0},
    )
    return LlamaForCausalLM(config).eval()


def logits_of(model: Any, length: int) -> torch.Tensor:
    """Logits after a prompt of so many tokens, in chunks of 5 where it may be cut."""
    run = CausalRun(model, [one * 7 % 64 for one in range(length)], 0, prefill_chunk=5)
    with torch.inference_mode():
        *_, (_, logits) = run.prefill(threading.Event(), every_position=False)
    return logits


def test_frequencies_that_follow_the_length_are_those_of_the_whole_prompt(growing: Any) -> None:
    ids = torch.tensor([[one * 7 % 64 for one in range(100)]])
    with torch.inference_mode():
        growing(ids[:, :3])  # transformers' own way back to the frequencies of a short text
        wanted = growing(ids).logits[:, -1]
    assert torch.allclose(logits_of(growing, 100), wanted, atol=1e-6)


def test_a_longer_request_leaves_nothing_behind(growing: Any) -> None:
    logits_of(growing, 3)
    alone = logits_of(growing, 40)
    logits_of(growing, 400)
    assert torch.equal(logits_of(growing, 40), alone)


def test_which_prompts_are_not_cut(tiny_model: Any, growing: Any) -> None:
    assert single_prefill_reason(tiny_model) is None
    assert "(dynamic)" in str(single_prefill_reason(growing))
    nested = {"full_attention": {"rope_type": "longrope"}, "other": {"rope_type": "default"}}
    config = growing.config
    kept, config.rope_parameters = config.rope_parameters, nested
    try:
        assert "(longrope)" in str(single_prefill_reason(growing))
    finally:
        config.rope_parameters = kept


def test_a_model_that_reads_its_prompt_in_both_directions(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny_model, "prefill_in_one", True, raising=False)
    assert "both directions" in str(single_prefill_reason(tiny_model))
