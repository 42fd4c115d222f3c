"""The sides that `benchmarks.decode` compares. Each decodes prompts of token ids greedily to the
full number of tokens."""

import statistics
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM, StoppingCriteria, StoppingCriteriaList

from benchmarks.client import ask_all
from bots.checkpoints import builtin
from bots.events import Delta, Done
from bots.families.auto import AutoBot
from bots.settings import BotConfig, Dtype

MODEL = "builtin:smollm2"


@dataclass(frozen=True)
class Timing:
    """One measurement: seconds to the median first token and to the end, and the answers' ids."""

    first: float
    seconds: float
    answers: list[list[int]]
    cached: int = 0
    tokens: int = 0

    @property
    def rate(self) -> float:
        """Tokens per second of all streams, prefill included."""
        return (self.tokens or sum(map(len, self.answers))) / self.seconds


class _Clock(StoppingCriteria):  # type: ignore[misc]
    """Records when the first token exists; never stops."""

    def __init__(self) -> None:
        self.first = 0.0

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        self.first = self.first or time.monotonic()
        return torch.zeros(len(input_ids), dtype=torch.bool)


class Plain:
    """Plain transformers: `model.generate`."""

    def __init__(self, dtype: str) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(builtin.resolve(MODEL), dtype=dtype)
        settings = self.model.generation_config
        settings.do_sample, settings.eos_token_id, settings.pad_token_id = False, None, 0

    def answer(self, prompts: Sequence[list[int]], tokens: int) -> Timing:
        """Decode all prompts as one batch, padded on the left."""
        width = max(map(len, prompts))
        ids = torch.tensor([[0] * (width - len(ids)) + ids for ids in prompts])
        mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts])
        clock, start = _Clock(), time.monotonic()
        found = self.model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=tokens,
            stopping_criteria=StoppingCriteriaList([clock]),
        )
        seconds = time.monotonic() - start
        return Timing(clock.first - start, seconds, found[:, width:].tolist())


class Ours:
    """The bot that a worker serves, without a worker."""

    def __init__(self, dtype: Dtype) -> None:
        self.bot = AutoBot(BotConfig(MODEL, dtype=dtype))
        self.bot.load()

    def ids(self, text: str) -> list[int]:
        """The token ids of a text."""
        return self.bot.get_input(text).token_ids or []

    def answer(self, prompts: Sequence[list[int]], tokens: int) -> Timing:
        """Decode all prompts at once, with a thread for each, like a worker."""
        together = threading.Barrier(len(prompts) + 1)

        def one(prompt: list[int]) -> tuple[float, list[int], int]:
            settings = self.bot.Settings(temperature=0, ignore_eos=True, max_new_tokens=tokens)
            prepared = self.bot.prepare_text(prompt, settings)
            answer: list[int] = []
            first, cached = 0.0, 0
            together.wait()
            for event in self.bot.run(prepared):
                if isinstance(event, Delta):
                    first = first or time.monotonic()
                    answer += event.token_ids
                elif isinstance(event, Done):
                    cached = event.usage.cached_tokens
            return first, answer, cached

        with ThreadPoolExecutor(len(prompts)) as pool:
            waiting = [pool.submit(one, prompt) for prompt in prompts]
            together.wait()
            start = time.monotonic()
            done = [future.result() for future in waiting]
        seconds = time.monotonic() - start
        first = statistics.median(first for first, _, _ in done) - start
        return Timing(first, seconds, [answer for _, answer, _ in done], done[0][2])

    def close(self) -> None:
        """Close the bot, which ends the engine's thread."""
        self.bot.close()


class Http:
    """A worker process at `url`, which gets the same token ids over HTTP."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/v1/completions"

    def answer(self, prompts: Sequence[list[int]], tokens: int) -> Timing:
        """Send all prompts at once."""
        fixed: dict[str, Any] = {"max_tokens": tokens, "temperature": 0, "ignore_eos": True}
        fixed["stream_options"] = {"include_usage": True}
        start = time.monotonic()
        streams = ask_all(self._url, [fixed | {"prompt": prompt} for prompt in prompts])
        return Timing(
            statistics.median(stream.first for stream in streams),
            max(stream.arrived[-1] for stream in streams) - start,
            [],
            tokens=sum(stream.tokens for stream in streams),
        )
