"""A request in the scheduler: its decode state, its KV cache, and the mailbox of its answer."""

import threading
from collections.abc import Sequence
from typing import Any

import torch

from bots.engine.attention import Chunk
from bots.engine.decode_state import DecodeState
from bots.engine.decoder import DecoderOutput
from bots.engine.kv_cache import KVCache
from bots.streaming.pause import PausingQueue


class RunningSequence:
    """One request from its arrival to its end.

    It waits (no `cache`), then its prompt is prefilled chunk by chunk, then it decodes one token
    per step. Invariants:
    - `cache` holds a prefix of the tokens of `state`; while decoding all but the newest.
    - `outbox` gets outputs, then exactly one None (complete or cancelled) or exception.
    - `abandoned` is set by the reader when it stops reading, `stop` by anyone who cancels.
    """

    def __init__(
        self,
        prompt: Sequence[int],
        settings: Any,
        stop: threading.Event,
        device: torch.device,
        *,
        finite: bool,
    ) -> None:
        ids = torch.empty(len(prompt) + settings.max_new_tokens, dtype=torch.long)
        ids[: len(prompt)] = torch.tensor(prompt)
        self.state = DecodeState(ids.to(device), len(prompt), settings, finite=finite)
        self.stop = stop
        self.abandoned = threading.Event()
        self.outbox: PausingQueue[DecoderOutput | Exception | None] = PausingQueue()
        self.cache: KVCache | None = None

    @property
    def cancelled(self) -> bool:
        """Whether the rest of the answer is not needed: stopped, or no longer read."""
        return self.stop.is_set() or self.abandoned.is_set()

    @property
    def max_length(self) -> int:
        """Tokens of the prompt and of the longest answer."""
        return len(self.state.ids)

    @property
    def decoding(self) -> bool:
        """Whether the prefill is done, so that a step computes the newest token alone."""
        return self.state.length > self.state.prompt_length

    @property
    def prefill_left(self) -> int:
        """Tokens that are not in the cache yet."""
        assert self.cache is not None
        return self.state.length - self.cache.length

    def next_chunk(self, limit: int) -> Chunk:
        """The next tokens to compute, at most `limit`."""
        assert self.cache is not None
        state, begin = self.state, self.cache.length
        end = min(begin + limit, state.length)
        # Scoring the prompt needs the logits of all its positions, sampling those of the last.
        keep = end - begin if state.scores_prompt and end <= state.prompt_length else 1
        return Chunk(self.cache, state.ids[begin:end], keep)

    def take(self, logits: torch.Tensor, best: int | None) -> bool:
        """Use the logits [kept, vocabulary] of the chunk that was computed.

        Puts an output into the outbox once the prompt is done. `best` as in `DecodeState.take`.
        Returns whether the answer is complete.
        """
        assert self.cache is not None
        state = self.state
        if not self.decoding:
            state.score_prompt(logits, self.cache.length)
            if self.cache.length < state.prompt_length:
                return False
        output = state.take(logits, best)
        self.outbox.put(output)
        return output.finish_reason is not None
