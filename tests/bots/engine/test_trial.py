"""Why a model cannot be run in ragged batches."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, T5ForConditionalGeneration

from bots.engine.attention import Chunk
from bots.engine.ragged_batch import ATTENTION, RaggedBatchRunner
from bots.engine.trial import find_obstacle
from tests.bots.engine.models import (
    BATCHABLE,
    GROUPED,
    SEQUENTIAL,
    alone,
    chosen,
    llama,
    made,
    prompt_of,
)
from tests.golden_data import GOLDEN


@pytest.mark.parametrize("name", BATCHABLE)
def test_a_model_that_can_is_left_ready(name: str) -> None:
    model = made(BATCHABLE[name])
    runner = RaggedBatchRunner(model)
    assert find_obstacle(runner) is None
    heads = 4 if name in ("bloom", "codegen", "neox") else 2
    assert runner.token_bytes == 2 * 2 * heads * 8 * 4  # keys and values, layers, float32
    if name != "bloom":
        assert model.config._attn_implementation == ATTENTION


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("dynamic", r"rotary frequencies \(dynamic\)"),
        ("chunked", "window only through the attention mask"),
        ("windowed", "window only through the attention mask"),
        ("softcap", r"trial .* failed \(ValueError: .*soft-capped"),
    ],
)
def test_models_that_cannot_say_why_and_are_left_as_they_were(name: str, reason: str) -> None:
    model = made(SEQUENTIAL[name])
    before = model.config._attn_implementation
    assert_reason(RaggedBatchRunner(model), reason)
    assert model.config._attn_implementation == before
    assert len(alone(model, prompt_of(9), chosen(max_new_tokens=3))) == 3


def assert_reason(runner: RaggedBatchRunner, words: str) -> None:
    """That the reason is one sentence with these words."""
    reason = find_obstacle(runner)
    assert reason is not None
    assert "\n" not in reason
    assert reason.endswith(".")
    with pytest.raises(ValueError, match=words):
        raise ValueError(reason)


def test_an_encoder_decoder_model() -> None:
    model = T5ForConditionalGeneration.from_pretrained(GOLDEN / "t5").eval()
    assert_reason(RaggedBatchRunner(model), "encoder-decoder")


def test_long_rope() -> None:
    parameters = {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "factor": 2.0,
        "short_factor": [1.0] * 4,
        "long_factor": [2.0] * 4,
        "original_max_position_embeddings": 256,
    }
    model = made(lambda: LlamaForCausalLM(LlamaConfig(**GROUPED, rope_parameters=parameters)))
    assert_reason(RaggedBatchRunner(model), r"\(longrope\)")


def test_an_attention_that_does_not_go_through_the_interface(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = llama()
    monkeypatch.setattr(type(model), "_supports_attention_backend", False)
    assert_reason(RaggedBatchRunner(model), "attention interface")


def test_positions_that_depend_on_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    model = llama()
    monkeypatch.setattr(model, "position_ids_of", lambda ids: ids, raising=False)
    assert_reason(RaggedBatchRunner(model), "positions from the content")


def test_layers_without_keys_and_values() -> None:
    """A model of three layers, of which two have an attention."""
    model = llama()
    model.config.num_hidden_layers = 3
    assert_reason(RaggedBatchRunner(model), "Some layers keep state")


class Wrong(RaggedBatchRunner):
    """A runner whose logits are a little wrong."""

    by = 1e-3

    def forward(self, chunks: Sequence[Chunk]) -> list[torch.Tensor]:
        logits = super().forward(chunks)
        return [rows + self.by * rows.abs().max() for rows in logits]


def test_logits_that_differ() -> None:
    model = llama()
    before = model.config._attn_implementation
    assert_reason(Wrong(model), "other logits than a plain pass")
    assert model.config._attn_implementation == before


def test_half_precision_rounds_more() -> None:
    runner = Wrong(llama().bfloat16())
    assert find_obstacle(runner) is None
    runner.by = 0.2
    assert_reason(runner, "other logits than a plain pass")


class Failing(RaggedBatchRunner):
    """A runner whose passes raise `error`."""

    error: Exception = TypeError("forward() got an unexpected\nkeyword argument")

    def forward(self, chunks: Sequence[Chunk]) -> list[torch.Tensor]:
        raise self.error


def test_a_pass_that_raises() -> None:
    model = llama()
    before = model.config._attn_implementation
    assert_reason(Failing(model), r"failed \(TypeError: forward\(\) got an unexpected keyword")
    assert model.config._attn_implementation == before


def test_errors_that_no_model_raises_are_not_hidden() -> None:
    runner: Any = Failing(llama())
    runner.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        find_obstacle(runner)
