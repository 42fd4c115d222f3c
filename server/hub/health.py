"""Asks workers how they are: `GET /readyz`, again and again. Starts and stops no process."""

import asyncio
import time
from collections.abc import Callable
from typing import NoReturn

import httpx
from pydantic import BaseModel, ValidationError

from server.http.errors import ErrorDetail
from server.hub.registry import Member, Registry
from server.worker.schema import ProgressBody, State

TIMEOUT = 2.0
SOON = 0.5
LATER = 2.0
PATIENCE = 3
MAX_BYTES = 64 * 1024
HANGING_AFTER = 60.0
"""Seconds of silence after which a worker that was heard is taken to hang."""


class Readiness(BaseModel):
    """What a worker's /readyz says."""

    state: State
    progress: ProgressBody | None = None
    error: ErrorDetail | None = None


class Unreachable(Exception):
    """Raised when nothing at a URL answers as a worker does; the text says why."""


def health_client() -> httpx.AsyncClient:
    """The client for all questions: impatient, no redirects, no proxy between us and a worker."""
    return httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False, trust_env=False)


async def ask(client: httpx.AsyncClient, member: Member) -> Readiness:
    """One question. Raises Unreachable."""
    headers = {"Authorization": f"Bearer {member.api_key}"} if member.api_key else {}
    body = b""
    try:
        async with (
            asyncio.timeout(TIMEOUT),
            client.stream("GET", f"{member.url}/readyz", headers=headers) as response,
        ):
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    break
    except (httpx.TimeoutException, TimeoutError):
        raise Unreachable(f"No answer within {TIMEOUT:g} seconds.") from None
    except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeError):
        # What these say may hold the key, and health is public.
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


async def watch(
    client: httpx.AsyncClient,
    registry: Registry,
    member: Member,
    on_hang: Callable[[], None] | None = None,
) -> NoReturn:
    """Keep a worker's health up to date, until cancelled.

    A worker that has not been heard yet, and is the hub's own, is starting and not down. One that
    was heard is down only after some silence, for a busy machine may be slow to answer; after a
    minute of it, `on_hang` is called. One that loads may be silent for as long as it likes:
    llama.cpp lets nothing else run meanwhile.
    """
    heard: State | None = None
    silent, since = 0, 0.0
    while True:
        try:
            found = await ask(client, member)
        except Unreachable as error:
            silent, since = silent + 1, since if silent else time.monotonic()
            if silent >= PATIENCE if heard else member.source == "registered":
                registry.update(member, state="down", progress=None, error=str(error))
                waited = time.monotonic() - since
                if on_hang and heard not in (None, "loading") and waited >= HANGING_AFTER:
                    heard = None  # told once
                    on_hang()
        else:
            heard, silent = found.state, 0
            message = found.error.message if found.error and found.state == "failed" else None
            registry.update(member, state=found.state, progress=found.progress, error=message)
        await asyncio.sleep(LATER if member.health.state in ("ready", "failed") else SOON)
