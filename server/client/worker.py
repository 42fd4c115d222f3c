"""HTTP client of one worker: its facts, its settings, and streamed answers.

Speaks the native protocol (docs/protocol.md). The terminal commands draw what it returns.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import ValidationError

from bots.streaming.sse import SSEError, aread_events
from server.http.address import is_loopback, worker_key, worker_url
from server.http.errors import ErrorBody
from server.worker.schema import (
    DeltaEvent,
    DoneEvent,
    QueuedEvent,
    ReplaceEvent,
    StartEvent,
    TimingsBody,
    UsageBody,
)

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
"""Longest silence on a connection. A streaming worker sends a comment every 15 s, so three may be
lost or late."""


class WorkerError(Exception):
    """Raised when a worker cannot be reached, answers with an error or breaks the protocol.

    `code` is the code of the error on the wire, or one of the client's own: `unreachable`,
    `broken_stream`.
    """

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@dataclass(slots=True)
class Answer:
    """An answer so far. `place` is its position in the queue while it waits, else None."""

    id: str | None = None
    text: str = ""
    reasoning: str = ""
    place: int | None = None
    finish_reason: str | None = None
    usage: UsageBody | None = None
    timings: TimingsBody | None = None

    def apply(self, event: str, data: str) -> None:
        """Add one event, by its name and its JSON data. Unknown names are ignored.

        Raises WorkerError for an `error` event, and for data that does not fit the event.
        """
        try:
            self._apply(event, data)
        except ValidationError:
            raise WorkerError(
                f"The worker sent an invalid {event!r} event.",
                "broken_stream",
            ) from None

    def _apply(self, event: str, data: str) -> None:
        if event == "queued":
            queued = QueuedEvent.model_validate_json(data)
            self.id, self.place = queued.id, queued.position
        elif event == "start":
            self.id, self.place = StartEvent.model_validate_json(data).id, None
        elif event == "delta":
            delta = DeltaEvent.model_validate_json(data)
            self.text += delta.text or ""
            self.reasoning += delta.reasoning or ""
        elif event == "replace":
            whole = ReplaceEvent.model_validate_json(data)
            self.text = whole.text
            self.reasoning = self.reasoning if whole.reasoning is None else whole.reasoning
        elif event == "done":
            done = DoneEvent.model_validate_json(data)
            self.finish_reason, self.usage = done.finish_reason, done.usage
            self.timings = done.timings
        elif event == "error":
            error = ErrorBody.model_validate_json(data).error
            raise WorkerError(error.message, error.code)


class WorkerClient:
    """Client of one worker, and an async context manager. Not for two tasks at the same time.

    `url` may lack `http://`. The constructor raises ValueError if it is not the URL of a worker,
    or if the key has characters that a header cannot carry.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = worker_url(url)
        host = httpx.URL(self.url).host
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {worker_key(api_key)}"} if api_key else {},
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=False,
            trust_env=not is_loopback(host),  # a proxy cannot reach this machine's loopback ports
            transport=transport,
        )

    async def __aenter__(self) -> "WorkerClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def info(self) -> dict[str, Any]:
        """The facts of `GET /info`. Raises WorkerError."""
        return await self._get("/info")

    async def settings(self) -> dict[str, Any]:
        """JSON schema of each setting that a request may have, by name. Raises WorkerError."""
        properties: dict[str, Any] = (await self._get("/params")).get("properties", {})
        return properties

    async def generate(
        self,
        messages: Sequence[Mapping[str, str]],
        params: Mapping[str, Any] | None = None,
        system: str | None = None,
    ) -> AsyncGenerator[Answer, None]:
        """Stream the answer to a conversation: yields the same object after each change.

        Closing the iterator stops the decoding. Raises WorkerError; the object keeps the text that
        came before the error.
        """
        body = {"messages": list(messages), "params": dict(params or {}), "stream": True}
        if system is not None:
            body["system"] = system
        answer = Answer()
        try:
            async with self._http.stream("POST", "/generate", json=body) as response:
                await _check(response, "text/event-stream")
                # Closed here: a generator that is only dropped closes the connection much later.
                async with aclosing(aread_events(response)) as events:
                    async for event, data in events:
                        answer.apply(event, data)
                        yield answer
                        if answer.finish_reason is not None:
                            return
        except httpx.HTTPError as error:
            raise _connection_error(self.url, error, began=answer.id is not None) from None
        except SSEError as error:
            raise WorkerError(f"The answer broke off: {error}", "broken_stream") from None
        raise WorkerError("The answer broke off: the stream has no end.", "broken_stream")

    async def _get(self, path: str) -> dict[str, Any]:
        try:
            async with self._http.stream("GET", path) as response:
                await _check(response, "application/json")
                body: dict[str, Any] = response.json()
        except httpx.HTTPError as error:
            raise _connection_error(self.url, error, began=False) from None
        return body


async def _check(response: httpx.Response, media_type: str) -> None:
    """Raise WorkerError unless a response has succeeded and has the media type.

    Reads the body, except of a stream that has succeeded.
    """
    received = response.headers.get("content-type", "").partition(";")[0].strip()
    if response.is_success and received == media_type:
        if media_type == "application/json":
            await response.aread()
        return
    body = await response.aread()
    try:
        error = ErrorBody.model_validate_json(body).error
    except ValidationError:
        raise WorkerError(
            f"{response.url} answers with status {response.status_code} and"
            f" {received or 'no type'}: this is not a ChatZoo worker.",
            "unreachable",
        ) from None
    raise WorkerError(error.message, error.code)


def _connection_error(url: str, error: httpx.HTTPError, *, began: bool) -> WorkerError:
    why = str(error) or type(error).__name__
    if began:
        return WorkerError(f"The answer broke off: {why}.", "broken_stream")
    return WorkerError(f"{url} cannot be reached: {why}.", "unreachable")
