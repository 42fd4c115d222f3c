"""Decode one request: prefill in chunks, then a token a step, until an end or a stop.

Knows decoder-only models with transformers' KV cache. Does not batch.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

from bots.engine.sampler import Sampler, top_logprobs
from bots.events import FinishReason

PREFILL_CHUNK = 256
"""Tokens of a prompt that go through the model at once; a stop is seen between two chunks.

On a CPU with one thread, 256 was as fast as 512 and 1024, and 128 was slower by an eighth.
"""

Scored = tuple[float, list[tuple[int, float]]]
"""A token's log-probability, and the most probable (id, log-probability) at its position."""


@dataclass(frozen=True, slots=True)
class Token:
    """One step of decoding. `token_id` is None when there is only an ending to tell."""

    token_id: int | None = None
    scored: Scored | None = None
    prompt_scored: list[Scored] | None = None
    finish_reason: FinishReason | None = None


@torch.inference_mode()  # type: ignore[untyped-decorator]
def decode(
    model: Any, prompt: Sequence[int], settings: Any, stop: threading.Event
) -> Iterator[Token]:
    """The answer to a prompt of token ids, token by token.

    `settings` is a `TransformersSettings`. The log-probabilities are the model's own, before
    penalties and temperature. A token that ends the answer is not part of it.
    """
    device = model.get_input_embeddings().weight.device
    ids = torch.empty(1, len(prompt) + settings.max_new_tokens, dtype=torch.long, device=device)
    ids[0, : len(prompt)] = torch.tensor(prompt, device=device)
    cache = DynamicCache(config=model.config)
    prefill = _Prefill(model, cache, want=settings.prompt_logprobs)
    yield from prefill.run(ids[:, : len(prompt)], stop)
    if stop.is_set():
        return
    if settings.max_new_tokens == 0:
        yield Token(finish_reason="length")
        return
    logits = prefill.logits
    sampler = Sampler(settings, len(prompt), logits.device)
    ends = () if settings.ignore_eos else frozenset(settings.stop_token_ids)
    for length in range(len(prompt), ids.shape[1]):
        token = sampler.choose(ids[:, :length], logits)
        if token in ends:
            yield Token(finish_reason="stop")
            return
        ids[0, length] = token
        last = length + 1 == ids.shape[1]
        scored = None if settings.logprobs is None else _score(logits[0], token, settings.logprobs)
        yield Token(token, scored, finish_reason="length" if last else None)
        if last or stop.is_set():
            return
        logits = _forward(model, ids[:, length : length + 1], cache)[:, -1].float()


class _Prefill:
    """Puts a prompt through the model; leaves `logits` [1, vocabulary] of its last position."""

    def __init__(self, model: Any, cache: Any, want: int | None) -> None:
        self._model, self._cache, self._want = model, cache, want
        self.logits: torch.Tensor

    def run(self, ids: torch.Tensor, stop: threading.Event) -> Iterator[Token]:
        """Yields once, and only when the prompt's own log-probabilities are wanted."""
        scored: list[Scored] = []
        for start in range(0, ids.shape[1], PREFILL_CHUNK):
            if stop.is_set():
                return
            chunk = ids[:, start : start + PREFILL_CHUNK]
            keep = 1 if self._want is None else 0  # 0 is all of them
            logits = _forward(self._model, chunk, self._cache, keep).float()
            if self._want is not None:
                following = ids[0, start + 1 : start + 1 + chunk.shape[1]].tolist()
                scored += [
                    _score(logits[0, at], token, self._want) for at, token in enumerate(following)
                ]
            self.logits = logits[:, -1]
        if self._want is not None:
            yield Token(prompt_scored=scored)


def _forward(model: Any, ids: torch.Tensor, cache: Any, keep: int = 1) -> torch.Tensor:
    """Logits [1, kept positions, vocabulary] of `ids`, which continue what is in the cache."""
    output = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=keep)
    logits: torch.Tensor = output.logits
    return logits


def _score(logits: torch.Tensor, token: int, count: int) -> Scored:
    logprobs = torch.log_softmax(logits, dim=-1)
    return float(logprobs[token]), top_logprobs(logprobs, count)
