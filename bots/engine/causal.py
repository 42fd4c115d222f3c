"""A decoder-only model at work on one request, with transformers' KV cache."""

import inspect
import threading
from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache

from bots.engine.device import input_device
from bots.engine.rope import forget_lengths, prefill_in_one
from bots.engine.sampler import Scored, score

PREFILL_CHUNK = 256
"""Tokens of a prompt that go through the model at once; a stop is seen between two chunks.

On a CPU with one thread, 256 was as fast as 512 and 1024, and 128 was slower by an eighth.
"""


class Causal:
    """Prompt and answer in one row of ids. After `prefill`, and after each `advance`, `logits`
    [1, vocabulary], float32, are those of what follows.

    `ids` [1, prompt + new tokens] has room for the answer, which begins at `start`.
    """

    def __init__(self, model: Any, prompt: Sequence[int], room: int) -> None:
        device = input_device(model)
        self.ids = torch.empty(1, len(prompt) + room, dtype=torch.long, device=device)
        self.ids[0, : len(prompt)] = torch.tensor(prompt, device=device)
        self.start = len(prompt)
        self.logits: torch.Tensor
        self._model = model
        self._cached = {cache_argument(model): DynamicCache(config=model.config)}

    def prefill(self, stop: threading.Event, want: int | None) -> list[Scored] | None:
        """Put the prompt through the model, unless `stop` comes between two of its chunks.

        Returns the log-probabilities of its tokens but the first, with `want` candidates each, or
        None if `want` is.
        """
        forget_lengths(self._model)
        size = self.start if prefill_in_one(self._model) else PREFILL_CHUNK
        scored: list[Scored] = []
        for begin in range(0, self.start, size):
            if stop.is_set():
                break
            end = min(begin + size, self.start)
            keep = 1 if want is None else 0  # 0 is all of them
            logits = _forward(self._model, self.ids[:, :end], begin, self._cached, keep).float()
            self.logits = logits[:, -1]
            if want is not None:
                following = self.ids[0, begin + 1 : min(end + 1, self.start)].tolist()
                scored += [score(logits[0, at], one, want) for at, one in enumerate(following)]
        return None if want is None else scored

    def advance(self, length: int) -> None:
        """Take in the newest token; `ids` has `length` of them now."""
        forward = _forward(self._model, self.ids[:, :length], length - 1, self._cached)
        self.logits = forward[:, -1].float()


def cache_argument(model: Any) -> str:
    """What the model's `forward` calls its KV cache: `cache` since transformers 5.24.

    Remote code was mostly written for older ones.
    """
    names = inspect.signature(model.forward).parameters
    return "past_key_values" if "past_key_values" in names else "cache"


def _forward(
    model: Any, ids: torch.Tensor, begin: int, cached: dict[str, Any], keep: int = 1
) -> torch.Tensor:
    """Logits [1, kept positions, vocabulary] of `ids` from `begin` on; those before are cached."""
    positions = {}
    if hasattr(model, "position_ids_of"):
        positions["position_ids"] = model.position_ids_of(ids)[..., begin:]
    output = model(
        input_ids=ids[:, begin:],
        use_cache=True,
        logits_to_keep=keep,
        **cached,
        **positions,
    )
    logits: torch.Tensor = output.logits
    return logits
