"""Polls workers for their health: `GET /readyz`. Starts and stops no process."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import httpx
from pydantic import BaseModel, ValidationError

from server.http.errors import ErrorDetail
from server.hub.registry import Member, Registry
from server.worker.schema import ProgressBody, State

MAX_BYTES = 64 * 1024
"""Most bytes that are read of an answer: anybody may register the address of anything."""


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """How often workers are polled, and what silence means. Times are in seconds.

    `timeout`: for one poll. `fast` is the pause while a worker starts, loads, drains or is down:
    its progress bar should move, and the page should show soon that it is ready. `slow` is the
    pause while it is ready or failed, which seldom changes; with up to 64 workers, polls should
    cost next to nothing. `max_misses`: polls in a row without an answer after which a worker is
    down; on a busy machine one or two may be late. `hangs_after`: silence after which a worker that
    has answered before is taken to hang. Workers answer while their model computes, so only a
    stopped or deadlocked one is silent for that long; and killing one cuts off its answers, so it
    should not happen to a slow one.
    """

    timeout: float = 2.0
    fast: float = 0.5
    slow: float = 2.0
    max_misses: int = 3
    hangs_after: float = 60.0


class Readiness(BaseModel):
    """The body of a worker's /readyz."""

    state: State
    progress: ProgressBody | None = None
    error: ErrorDetail | None = None


class Unreachable(Exception):
    """Raised when no worker answers at a URL; the text is the reason in one sentence."""


def health_client() -> httpx.AsyncClient:
    """The HTTP client for all polls: no redirects, no proxy between the hub and a worker."""
    return httpx.AsyncClient(follow_redirects=False, trust_env=False)


async def fetch_readiness(
    client: httpx.AsyncClient, member: Member, policy: HealthPolicy
) -> Readiness:
    """Poll a worker once. Raises Unreachable."""
    timeout = policy.timeout
    headers = {"Authorization": f"Bearer {member.api_key}"} if member.api_key else {}
    body = b""
    try:
        async with (
            # httpx's own timeout is for each read, and a slow sender could make many of them.
            asyncio.timeout(timeout),
            client.stream(
                "GET", f"{member.url}/readyz", headers=headers, timeout=timeout
            ) as response,
        ):
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    break
    except (httpx.TimeoutException, TimeoutError):
        raise Unreachable(f"No answer within {timeout:g} seconds.") from None
    except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeError):
        # The texts of these errors may contain the key, and health is public.
        raise Unreachable("Its URL or API key cannot be sent.") from None
    except httpx.HTTPError as error:
        raise Unreachable(f"Cannot be reached: {error or type(error).__name__}.") from None
    if response.is_redirect:
        raise Unreachable("It answers with a redirect; register the address that it leads to.")
    try:
        return Readiness.model_validate_json(body)
    except ValidationError:
        raise Unreachable(
            f"Something answers there (status {response.status_code}), but not a ChatZoo worker."
        ) from None


async def poll_health(
    client: httpx.AsyncClient,
    registry: Registry,
    member: Member,
    policy: HealthPolicy,
    on_hang: Callable[[], None] | None = None,
) -> NoReturn:
    """Keep a worker's health in the registry up to date, until cancelled.

    Silence means, by what was the last answer:

    - none yet, a worker of the zoo: it is still starting, as its process runs;
    - none yet, a registered worker: it is down at once;
    - any: it is down after `max_misses` polls. After `hangs_after` seconds `on_hang` is called,
      once, unless the last answer was `loading`: llama.cpp blocks the whole process while it loads
      a file, for as long as that takes.
    """
    last: State | None = None
    misses, silent_since = 0, 0.0
    while True:
        try:
            readiness = await fetch_readiness(client, member, policy)
        except Unreachable as error:
            if not misses:
                silent_since = time.monotonic()
            misses += 1
            if misses >= policy.max_misses if last else member.source == "registered":
                registry.update(member, state="down", progress=None, error=str(error))
                silence = time.monotonic() - silent_since
                if on_hang and last not in (None, "loading") and silence >= policy.hangs_after:
                    last = None  # so that it is called once
                    on_hang()
        else:
            last, misses = readiness.state, 0
            message = (
                readiness.error.message if readiness.error and readiness.state == "failed" else None
            )
            registry.update(
                member, state=readiness.state, progress=readiness.progress, error=message
            )
        settled = member.health.state in ("ready", "failed")
        await asyncio.sleep(policy.slow if settled else policy.fast)
