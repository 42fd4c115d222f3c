"""A decoder-only model that decodes one request with transformers' own KV cache."""

import inspect
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import DynamicCache

from bots.engine.device import input_device
from bots.engine.rope import reset_dynamic_rope, single_prefill_reason

PREFILL_CHUNK = 256
"""Tokens of a prompt per forward pass; a stop is noticed between two passes.

On a CPU with one thread, 256 was as fast as 512 and 1,024, and 128 was slower by an eighth.
"""


class CausalRun:
    """Prompt and answer of one request as one row of ids on the model's device.

    `ids` [prompt + max_new_tokens], of which the first `prompt_length` are set.
    """

    def __init__(
        self,
        model: Any,
        prompt: Sequence[int],
        max_new_tokens: int,
        *,
        prefill_chunk: int = PREFILL_CHUNK,
    ) -> None:
        device = input_device(model)
        self.prompt_length = len(prompt)
        self.ids = torch.empty(len(prompt) + max_new_tokens, dtype=torch.long, device=device)
        self.ids[: len(prompt)] = torch.tensor(prompt, device=device)
        self._model = model
        self._chunk = prefill_chunk
        self._cache = {cache_argument(model): DynamicCache(config=model.config)}

    def prefill(
        self, stop: threading.Event, *, every_position: bool
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """Run the prompt chunk by chunk, until `stop` is set between two of them.

        Yields the end of each chunk and its logits [rows, vocabulary]: of all its tokens with
        `every_position`, else of the last one.
        """
        reset_dynamic_rope(self._model)
        size = self._chunk if single_prefill_reason(self._model) is None else self.prompt_length
        for begin in range(0, self.prompt_length, size):
            if stop.is_set():
                return
            end = min(begin + size, self.prompt_length)
            yield end, self._forward(begin, end, keep=0 if every_position else 1)

    def advance(self, length: int) -> torch.Tensor:
        """Run the newest of `length` tokens; its logits [1, vocabulary]."""
        return self._forward(length - 1, length, keep=1)

    def _forward(self, begin: int, end: int, *, keep: int) -> torch.Tensor:
        """Logits [rows, vocabulary] of the last `keep` ids before `end`, of all if `keep` is 0.

        The ids before `begin` are in the cache.
        """
        ids = self.ids[None, :end]
        positions = {}
        # ChatGLM-6B: positions depend on special tokens of the prompt, so the model computes them
        # from all ids.
        if hasattr(self._model, "position_ids_of"):
            positions["position_ids"] = self._model.position_ids_of(ids)[..., begin:]
        logits: torch.Tensor = self._model(
            input_ids=ids[:, begin:],
            use_cache=True,
            logits_to_keep=keep,
            **self._cache,
            **positions,
        ).logits[0]
        # A model of remote code may ignore `logits_to_keep`.
        return logits[-keep:] if keep else logits


def cache_argument(model: Any) -> str:
    """The name of the KV cache in the model's `forward`.

    It is `cache` since transformers 5.24; remote code is mostly written for older versions.
    """
    names = inspect.signature(model.forward).parameters
    return "past_key_values" if "past_key_values" in names else "cache"
