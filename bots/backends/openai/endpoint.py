"""Address, API key, client and errors of an OpenAI-compatible endpoint.

Knows HTTP; knows neither chunks nor settings.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx

from bots.backends.openai.chunks import error_message
from bots.errors import BotError, ConfigError, InvalidRequest, UpstreamError

TIMEOUT = httpx.Timeout(600, connect=5, pool=5)
"""Seconds. Reading has ten minutes, because an endpoint sends nothing while it prefills a long
prompt or serves other requests first. Connecting has five, because a machine that is there
accepts at once."""

_MAX_ERROR_BYTES = 1 << 16
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Base URL of the API and id of the model; "" is the only model that the endpoint has."""

    base: str
    model: str = ""

    @classmethod
    def parse(cls, path: str) -> "Endpoint":
        """Parse `http://host:port[/path][#model]`; no path means `/v1`. Raises ConfigError."""
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
        # Command lines and logs show an address, so it must not contain a secret. For the same
        # reason the message does not repeat it.
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
        """Host name or IP address."""
        return httpx.URL(self.base).host

    @property
    def is_loopback(self) -> bool:
        """Whether the endpoint is on this machine."""
        return self.host in _LOOPBACK

    def key(self, environment: Mapping[str, str]) -> str | None:
        """The API key: `CHATZOO_UPSTREAM_API_KEY`, else `OPENAI_API_KEY`, else None.

        `OPENAI_API_KEY` may have been set for another program, so it is sent over TLS or to this
        machine only.
        """
        if key := environment.get("CHATZOO_UPSTREAM_API_KEY"):
            return key
        if self.is_loopback or self.base.startswith("https://"):
            return environment.get("OPENAI_API_KEY") or None
        return None

    def client(self, environment: Mapping[str, str]) -> httpx.Client:
        """A client that follows no redirects and opens a new connection for each request."""
        key = self.key(environment)
        return httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=TIMEOUT,
            # A stop shuts the socket down, so no connection may be shared or used again. There is
            # no limit here: the worker limits the running requests (`max_running`).
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            trust_env=not self.is_loopback,  # a proxy cannot reach this machine's own loopback
            follow_redirects=False,  # else the key could go to another machine
        )

    @contextmanager
    def translated_errors(self, stop: threading.Event | None = None) -> Iterator[None]:
        """Context manager that raises UpstreamError for httpx's errors, unless `stop` is set.

        A stop shuts the connection down, so an error after it is expected. Nothing is retried:
        part of an answer may have been shown already, and a second request may be billed.
        """
        try:
            yield
        except httpx.RequestError as error:
            if stop is None or not stop.is_set():
                raise UpstreamError(self._explain(error)) from error

    def _explain(self, error: httpx.RequestError) -> str:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return f"{self.base} cannot be reached ({error}). Is it running?"
        if isinstance(error, httpx.TimeoutException):
            return f"{self.base} has said nothing for too long."
        return f"{self.base} broke the connection ({error})."


def raise_for_refusal(answer: httpx.Response, *, stream: bool) -> None:
    """Raise UpstreamError or InvalidRequest unless the response is the one asked for.

    That is status 200 and, with `stream`, the type of an event stream. The body is read only to
    quote its error message.
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
    reason = _read_reason(answer)
    if status == 200:
        raise UpstreamError(f"{where} did not stream its answer but sent {kind!r}: {reason}")
    raise _refusal(where, status, reason, answer.headers.get("retry-after"))


def _refusal(where: str, status: int, reason: str, after: str | None) -> BotError:
    """The error for a status other than 200 and a redirect; `after` is Retry-After's value."""
    again = (
        f" Try again in {after} seconds." if after and after.isdecimal() else " Try again later."
    )
    # Only what the sender of this request can mend is InvalidRequest. A wrong key, a full or a
    # starting endpoint is not the sender's fault, whatever the endpoint's status suggests.
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


def _read_reason(answer: httpx.Response) -> str:
    """The error message in the body, of which at most 64 KiB are read.

    The limit is there because the address may be any server, such as one of large files.
    """
    body = b""
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > _MAX_ERROR_BYTES:
            break
    text = body[:_MAX_ERROR_BYTES].decode("utf-8", "replace")
    content: Any = text
    with suppress(ValueError):
        content = json.loads(text)
    reason = error_message(content) or "no reason given"
    return reason if reason.endswith((".", "!", "?", "。", "…")) else f"{reason}."
