"""Tiny models of all kinds with random weights, and requests for them."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    CodeGenConfig,
    CodeGenForCausalLM,
    DogeConfig,
    DogeForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GlmConfig,
    GlmForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    Llama4ForCausalLM,
    Llama4TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from bots.backends.transformers import TransformersSettings
from bots.engine.decoder import DecoderOutput
from bots.engine.sequential import SequentialDecoder

SIZES = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
}
GROUPED = SIZES | {"num_key_value_heads": 2, "head_dim": 8}
WINDOWED = GROUPED | {"sliding_window": 12, "sliding_window_pattern": 2}
BATCHABLE: dict[str, Callable[[], Any]] = {
    "bloom": lambda: BloomForCausalLM(
        BloomConfig(vocab_size=97, hidden_size=32, n_layer=2, n_head=4)
    ),
    "codegen": lambda: CodeGenForCausalLM(
        CodeGenConfig(vocab_size=97, n_embd=32, n_head=4, n_layer=2, rotary_dim=4, n_positions=512)
    ),
    "gemma3": lambda: Gemma3ForCausalLM(Gemma3TextConfig(**WINDOWED)),
    "glm": lambda: GlmForCausalLM(GlmConfig(**GROUPED, pad_token_id=0)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**GROUPED)),
    "mistral": lambda: MistralForCausalLM(MistralConfig(**GROUPED, sliding_window=6)),
    "neox": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**SIZES)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**GROUPED)),
}
"""Models that can be run in ragged batches."""

SEQUENTIAL: dict[str, Callable[[], Any]] = {
    "dynamic": lambda: LlamaForCausalLM(
        LlamaConfig(**GROUPED, rope_parameters={"rope_type": "dynamic", "factor": 2.0})
    ),
    # Their windows are in their masks alone, and longer than a trial.
    "chunked": lambda: Llama4ForCausalLM(
        Llama4TextConfig(**GROUPED, attention_chunk_size=16, num_local_experts=2)
    ),
    "windowed": lambda: DogeForCausalLM(DogeConfig(**GROUPED, sliding_window=12)),
    "softcap": lambda: Gemma2ForCausalLM(Gemma2Config(**GROUPED)),
}
"""Models that cannot."""


def made(make: Callable[[], Any]) -> Any:
    """A model of `BATCHABLE` or `SEQUENTIAL`, the same each time."""
    torch.manual_seed(1)
    model = make().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.3)  # apart enough that rounding decides nothing
    return model


def llama() -> Any:
    return made(BATCHABLE["llama"])


def chosen(**values: Any) -> TransformersSettings:
    """Greedy settings for twelve tokens, with changes."""
    greedy = {"temperature": 0, "max_new_tokens": 12, "ignore_eos": True}
    return TransformersSettings.parse(greedy | values)


def prompt_of(length: int, salt: int = 0) -> list[int]:
    return [(7 * at + 13 * salt + at * at) % 97 for at in range(length)]


def ids(outputs: Iterator[DecoderOutput]) -> list[int]:
    return [token for output in outputs for token in output.token_ids]


def alone(model: Any, prompt: list[int], settings: TransformersSettings) -> list[int]:
    """The answer by sequential decoding."""
    return ids(SequentialDecoder(model).decode(prompt, settings, never()))


def never() -> threading.Event:
    """A stop that is not set."""
    return threading.Event()


def tied(model: Any, prompt: list[int], mine: list[int], theirs: list[int]) -> bool:
    """Whether two answers part where two tokens are equal but for the rounding of float32."""
    if len(mine) != len(theirs):
        return False
    at = next(at for at in range(len(theirs)) if mine[at] != theirs[at])
    with torch.inference_mode():
        logits = model(torch.tensor([prompt + theirs[:at]])).logits[0, -1]
    return bool((logits[mine[at]] - logits[theirs[at]]).abs() < 1e-6 * logits.abs().max())
