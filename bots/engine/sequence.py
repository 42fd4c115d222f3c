"""One request in the engine: its tokens, its cache, its sampler, and where its answer goes."""

import threading
from collections.abc import Sequence
from typing import Any

import torch

from bots.engine.attention import Part
from bots.engine.kv_cache import KVCache
from bots.engine.sampler import Sampler, Scored, score
from bots.engine.sequential import Token, end
from bots.streaming.pause import PausingQueue


class Job:
    """A request at work. `ids` [prompt + new tokens], of which `length` are there.

    `out` gives tokens, then None, or an exception. `left` is set when nobody listens any more.
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
        self.ids = torch.empty(len(prompt) + settings.max_new_tokens, dtype=torch.long)
        self.ids[: len(prompt)] = torch.tensor(prompt)
        self.ids = self.ids.to(device)
        self.prompt = self.length = len(prompt)
        self.stop = stop
        self.left = threading.Event()
        self.out: PausingQueue[Token | Exception | None] = PausingQueue()
        self.cache: KVCache | None = None
        self.plain = _is_plain(settings) and not finite
        """Whether the most probable token is taken and nothing else is asked."""
        self._settings = settings
        self._sampler = Sampler(settings, len(prompt), device, finite=finite)
        self._ends = () if settings.ignore_eos else frozenset(settings.stop_token_ids)
        self._prompt_scored: list[Scored] = []

    @property
    def over(self) -> bool:
        """Whether the request was stopped or left."""
        return self.stop.is_set() or self.left.is_set()

    @property
    def scores_prompt(self) -> bool:
        """Whether the prompt's own log-probabilities are wanted."""
        return self._settings.prompt_logprobs is not None

    @property
    def decoding(self) -> bool:
        """Whether only the newest token is to go through the model."""
        assert self.cache is not None
        return self.cache.length >= self.prompt - 1 and self.length > self.prompt

    @property
    def missing(self) -> int:
        """Tokens that are there and not yet in the cache."""
        assert self.cache is not None
        return self.length - self.cache.length

    def part(self, most: int) -> Part:
        """What goes through the model next: the newest token, or up to `most` of the prompt."""
        assert self.cache is not None
        begin = self.cache.length
        until = min(begin + most, self.length)
        keep = until - begin if self.scores_prompt and until <= self.prompt else 1
        return Part(self.cache, self.ids[begin:until], keep)

    def take(self, logits: torch.Tensor, best: int | None) -> bool:
        """Use the logits [kept, vocabulary] of the part that went through the model.

        `best` is the most probable last token, where somebody found it already. Returns whether
        the answer is complete.
        """
        assert self.cache is not None
        settings = self._settings
        if self.scores_prompt and self.length == self.prompt:
            self._score_prompt(logits)
        if self.cache.length < self.prompt:
            return False
        if self.scores_prompt and self.length == self.prompt:
            self.out.put(Token(prompt_scored=self._prompt_scored))
        if settings.max_new_tokens == 0:
            self.out.put(Token(finish_reason="length"))
            return True
        token = best
        if token is None:
            last = logits[-1:].float()
            token = self._sampler.choose(self.ids[None, : self.length], last)
        if token in self._ends:
            self.out.put(end(token, logits[-1], settings))
            return True
        self.ids[self.length] = token
        self.length += 1
        full = self.length == len(self.ids)
        wanted = settings.logprobs
        scored = None if wanted is None else score(logits[-1].float(), token, wanted)
        self.out.put(Token(token, scored, finish_reason="length" if full else None))
        return full

    def _score_prompt(self, logits: torch.Tensor) -> None:
        assert self.cache is not None
        length = self.cache.length
        first = length - len(logits) + 1  # the token that the first row predicts
        following = self.ids[first : min(length + 1, self.prompt)].tolist()
        count = self._settings.prompt_logprobs
        self._prompt_scored += [
            score(logits[at].float(), token, count) for at, token in enumerate(following)
        ]


def _is_plain(settings: Any) -> bool:
    return (
        settings.temperature == 0
        and settings.repetition_penalty == 1
        and not settings.presence_penalty
        and not settings.frequency_penalty
        and not settings.no_repeat_ngram_size
        and not settings.min_new_tokens
    )
