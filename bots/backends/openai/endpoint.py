"""The connection to an OpenAI-compatible endpoint: its address, its refusals, its sudden end.

Knows HTTP; knows neither chunks nor settings.
"""

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx

from bots.backends.openai.chunks import reason_of
from bots.errors import BotError, ConfigError, InvalidRequest, UpstreamError

TIMEOUT = httpx.Timeout(600, connect=5, pool=5)
"""Seconds: an endpoint may be silent for long, while it reads a prompt or serves others first."""

_WATCH = 0.03
_LONGEST_ERROR = 1 << 16
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the endpoint is, and which of its models is meant; "" is the only one it has."""

    base: str
    model: str = ""

    @classmethod
    def parse(cls, path: str) -> "Endpoint":
        """Read `http://host:port[/path][#model]`. Raises ConfigError."""
        try:
            url = httpx.URL(path)
        except httpx.InvalidURL as error:
            raise ConfigError(
                f"{path!r} is no address: {error}.", param="pretrained-path"
            ) from None
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigError(
                f"{path!r} is no address of an endpoint; one looks like http://127.0.0.1:8000/v1.",
                param="pretrained-path",
            )
        if url.userinfo or url.query:
            raise ConfigError(
                "Give the endpoint's address without user, password or query;"
                " its key comes from CHATZOO_UPSTREAM_API_KEY.",
                param="pretrained-path",
            )
        base = url.copy_with(fragment=None, path=url.path.rstrip("/") or "/v1")
        return cls(str(base), url.fragment)

    @property
    def host(self) -> str:
        """The name or number of its machine."""
        return httpx.URL(self.base).host

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine."""
        return self.host in _LOOPBACK

    def key(self, environment: Mapping[str, str]) -> str | None:
        """The API key: `CHATZOO_UPSTREAM_API_KEY`, else `OPENAI_API_KEY`.

        The second may have been set for another program, so it is not sent over a network
        without encryption.
        """
        if own := environment.get("CHATZOO_UPSTREAM_API_KEY"):
            return own
        if self.is_loopback or self.base.startswith("https://"):
            return environment.get("OPENAI_API_KEY") or None
        return None

    def client(self, environment: Mapping[str, str]) -> httpx.Client:
        """A client for it: no redirects, and a connection of its own for each request."""
        key = self.key(environment)
        return httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            trust_env=not self.is_loopback,  # a proxy cannot reach this machine's own loopback
            follow_redirects=False,
        )

    @contextmanager
    def told(self, stop: threading.Event | None = None) -> Iterator[None]:
        """Failures of the connection as an UpstreamError; silent where `stop` caused them."""
        try:
            yield
        except httpx.RequestError as error:
            if stop is None or not stop.is_set():
                raise UpstreamError(self._reason(error)) from error

    def _reason(self, error: httpx.RequestError) -> str:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return f"{self.base} cannot be reached ({error}). Is it running?"
        if isinstance(error, httpx.TimeoutException):
            return f"{self.base} has said nothing for too long."
        return f"{self.base} broke the connection ({error})."


def check(answer: httpx.Response, *, stream: bool) -> None:
    """Raise what a refusal means: UpstreamError, or InvalidRequest where the request is at fault.

    With `stream`, the answer must be a stream of events, too; its body is read only to explain.
    """
    status, kind = answer.status_code, answer.headers.get("content-type", "")
    if status == 200 and (not stream or kind.startswith("text/event-stream")):
        return
    where = f"{answer.request.url.copy_with(path='/')}".rstrip("/")
    if answer.is_redirect:
        raise UpstreamError(
            f"{where} redirects to {answer.headers.get('location', 'nowhere')!r}, which is not"
            " followed: give the final address."
        )
    reason = _explained(answer)
    if status == 200:
        raise UpstreamError(f"{where} did not stream its answer but sent {kind!r}: {reason}")
    raise _refusal(where, status, reason, answer.headers.get("retry-after"))


def _refusal(where: str, status: int, reason: str, after: str | None) -> BotError:
    again = (
        f" Try again in {after} seconds." if after and after.isdecimal() else " Try again later."
    )
    if status in (401, 403):
        return UpstreamError(
            f"{where} refuses the API key ({status}): {reason} Set CHATZOO_UPSTREAM_API_KEY."
        )
    if status == 429:
        return UpstreamError(f"{where} is busy (429): {reason}{again}")
    if status == 503:
        return UpstreamError(f"{where} is not ready (503): {reason}{again}")
    if status in (400, 413, 422):
        return InvalidRequest(f"{where} refuses the request ({status}): {reason}")
    return UpstreamError(f"{where} answers with status {status}: {reason}")


def _explained(answer: httpx.Response) -> str:
    """The message in the body, of which no more than 64 KiB is read."""
    body = b""
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > _LONGEST_ERROR:
            break
    text = body[:_LONGEST_ERROR].decode("utf-8", "replace")
    content: Any = text
    with suppress(ValueError):
        content = json.loads(text)
    reason = reason_of(content) or "no reason given"
    return reason if reason.endswith((".", "!", "?", "。", "…")) else f"{reason}."


class Line:
    """One connection, which a stop shuts at once, also while nothing comes over it.

    A thread that waits in `recv` cannot look at an event, so another one does and shuts the
    socket, which wakes the first. A stop while the connection is being made waits for that
    (5 seconds at most).
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._over = threading.Event()
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._watch, name="upstream stop", daemon=True)

    def __enter__(self) -> "Line":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """For httpx's `trace` extension: takes the socket when the connection is made."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")

    def _watch(self) -> None:
        while not self._over.wait(_WATCH):
            if self._stop.is_set() and self._socket is not None:
                with suppress(OSError):  # already closed
                    # Not TLS's own shutdown, which would wait for the other side.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
                return
