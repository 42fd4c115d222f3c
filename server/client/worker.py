"""A worker as seen by a program: its info, and answers as they are streamed.

Reads the native events; the native protocol is in docs/protocol.md. Draws nothing.
"""

import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from pydantic import ValidationError

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
SILENCE_SECONDS = 60.0
"""A worker sends a comment every 15 s when it has nothing to say."""


class WorkerError(Exception):
    """Raised when a worker cannot be reached, answers an error or breaks the protocol.

    `code` is the error's code on the wire, or one of ours: `unreachable`, `broken_stream`.
    """

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@dataclass(slots=True)
class Answer:
    """An answer so far. `place` is its place in the queue while it waits, else None."""

    id: str | None = None
    text: str = ""
    reasoning: str = ""
    place: int | None = None
    finish_reason: str | None = None
    usage: UsageBody | None = None
    timings: TimingsBody | None = None

    def apply(self, event: str, data: str) -> None:
        """Take in one event. Raises WorkerError for `error`, and for data that makes no sense.

        Events that this version does not know are ignored.
        """
        try:
            self._apply(event, data)
        except ValidationError:
            raise WorkerError(
                f"The worker sent a {event!r} event that makes no sense.", "broken_stream"
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


@dataclass(slots=True)
class EventParser:
    """Server-sent events out of bytes that may be cut anywhere."""

    _rest: bytes = b""
    _event: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, data: bytes) -> Iterator[tuple[str, str]]:
        """The complete events as (name, data)."""
        held = self._rest + data
        # A carriage return at the end may be half of a line end.
        half = b"\r" if held.endswith(b"\r") else b""
        *lines, last = re.split(rb"\r\n|\n|\r", held.removesuffix(half) if half else held)
        self._rest = last + half
        for line in lines:
            if line:
                self._line(line.decode("utf-8", "replace"))
            else:
                if self._data:
                    yield self._event or "message", "\n".join(self._data)
                self._event, self._data = "", []

    def _line(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)


class WorkerClient:
    """One worker. An async context manager; not for use by two tasks at the same time.

    `url` may lack `http://`. Raises ValueError when it is no URL of a worker, or
    the key cannot be sent.
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
            timeout=httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=False,
            trust_env=not is_loopback(host),  # a proxy does not know this machine's ports
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
        """What the worker says about itself. Raises WorkerError."""
        return await self._get("/info")

    async def settings(self) -> dict[str, Any]:
        """The settings that a request may have: name to JSON schema. Raises WorkerError."""
        properties: dict[str, Any] = (await self._get("/params")).get("properties", {})
        return properties

    async def generate(
        self,
        messages: Sequence[Mapping[str, str]],
        params: Mapping[str, Any] | None = None,
        system: str | None = None,
    ) -> AsyncGenerator[Answer, None]:
        """The answer, given again (the same object) after each of its changes, to its end.

        Closing the iterator stops the decoding. Raises WorkerError; what was answered before
        that stays in the object.
        """
        body = {"messages": list(messages), "params": dict(params or {}), "stream": True}
        if system is not None:
            body["system"] = system
        answer, parser = Answer(), EventParser()
        try:
            async with self._http.stream("POST", "/generate", json=body) as response:
                await _check(response, "text/event-stream")
                async for piece in response.aiter_bytes():
                    for event, data in parser.feed(piece):
                        answer.apply(event, data)
                        yield answer
                        if answer.finish_reason is not None:
                            return
        except httpx.HTTPError as error:
            raise _lost(self.url, error, began=answer.id is not None) from None
        raise WorkerError("The answer broke off: the stream has no end.", "broken_stream")

    async def _get(self, path: str) -> dict[str, Any]:
        try:
            async with self._http.stream("GET", path) as response:
                await _check(response, "application/json")
                body: dict[str, Any] = response.json()
        except httpx.HTTPError as error:
            raise _lost(self.url, error, began=False) from None
        return body


async def _check(response: httpx.Response, media_type: str) -> None:
    """Raise WorkerError unless this is the answer that was asked for. Reads all but streams."""
    found = response.headers.get("content-type", "").partition(";")[0].strip()
    if response.is_success and found == media_type:
        if media_type == "application/json":
            await response.aread()
        return
    body = await response.aread()
    try:
        error = ErrorBody.model_validate_json(body).error
    except ValidationError:
        raise WorkerError(
            f"{response.url} answers with status {response.status_code} and"
            f" {found or 'no type'}: this is not a ChatZoo worker.",
            "unreachable",
        ) from None
    raise WorkerError(error.message, error.code)


def _lost(url: str, error: httpx.HTTPError, *, began: bool) -> WorkerError:
    why = str(error) or type(error).__name__
    if began:
        return WorkerError(f"The answer broke off: {why}.", "broken_stream")
    return WorkerError(f"{url} cannot be reached: {why}.", "unreachable")
