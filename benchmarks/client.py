"""Streamed answers of an OpenAI-compatible server, with the times at which text arrives."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

LONGEST = 900.0
"""Time limit of an answer, in seconds."""


@dataclass
class Stream:
    """One streamed answer. `sent` and `arrived` (one for each piece of text) are in seconds of the
    monotonic clock; `tokens` is its length."""

    sent: float
    arrived: list[float] = field(default_factory=list)
    tokens: int = 0

    @property
    def first(self) -> float:
        """Time to first token."""
        return self.arrived[0] - self.sent

    @property
    def gaps(self) -> list[float]:
        """Seconds between pieces of text; most pieces are one token."""
        return [b - a for a, b in zip(self.arrived, self.arrived[1:], strict=False)]

    @property
    def rate(self) -> float:
        """Tokens per second after the first."""
        spent = self.arrived[-1] - self.arrived[0]
        return (self.tokens - 1) / spent if spent else 0.0


def ask_all(url: str, bodies: Sequence[dict[str, Any]]) -> list[Stream]:
    """Send all `bodies` at once and return their answers, in order.

    Raises RuntimeError for an answer that fails, is empty or has no end.
    """

    async def together() -> list[Stream]:
        limits = httpx.Limits(max_connections=len(bodies))
        async with httpx.AsyncClient(timeout=LONGEST, limits=limits, trust_env=False) as client:
            return await asyncio.gather(*(_ask(client, url, body) for body in bodies))

    return asyncio.run(together())


async def _ask(client: httpx.AsyncClient, url: str, body: dict[str, Any]) -> Stream:
    stream = Stream(time.monotonic())
    finished = False
    async with client.stream("POST", url, json=body | {"stream": True}) as answer:
        if answer.status_code != 200:
            text = (await answer.aread()).decode(errors="replace")
            raise RuntimeError(f"{url} answered {answer.status_code}: {text[:300]}")
        async for line in answer.aiter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            chunk = json.loads(line.removeprefix("data: "))
            if "error" in chunk:
                raise RuntimeError(f"{url}: {chunk['error']}")
            if chunk.get("usage"):
                stream.tokens = chunk["usage"]["completion_tokens"]
            for choice in chunk.get("choices", ()):
                finished = finished or choice.get("finish_reason") is not None
                if choice.get("text") or choice.get("delta", {}).get("content"):
                    stream.arrived.append(time.monotonic())
    if not finished or not stream.arrived:
        raise RuntimeError(f"{url}: an answer was cut or empty.")
    stream.tokens = stream.tokens or len(stream.arrived)
    return stream
