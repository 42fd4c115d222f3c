"""Middleware of worker and hub: request ids, a limit on bodies, unforeseen errors, host names.

Plain ASGI classes. Starlette's `BaseHTTPMiddleware` would copy every event of a stream through a
queue and report a client's disconnect late.
"""

import ipaddress
import secrets
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.http.errors import ApiError, api_error

log = structlog.get_logger("chatzoo.http")

REQUEST_ID = "X-Request-Id"


class RequestContext:
    """Gives each request an id and a time of arrival, and limits its body.

    - `scope["state"]["request_id"]`, also the header `X-Request-Id` of the response.
    - `scope["state"]["arrived"]`: seconds of the monotonic clock.
    - A body over `max_body_bytes` is refused with 413.
    - An unforeseen exception is logged and answered with a 500 that shows the id and no detail.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = f"req_{secrets.token_hex(8)}"
        scope.setdefault("state", {}).update(request_id=request_id, arrived=time.monotonic())
        # A body that announces its size is refused at its first byte, one that does not when it
        # has grown too large.
        announced = Headers(scope=scope).get("content-length", "")
        too_large = announced.isdigit() and int(announced) > self.max_body_bytes
        received, started = 0, False

        async def bounded_receive() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if too_large or received > self.max_body_bytes:
                    raise HTTPException(413, f"The body is over {self.max_body_bytes} bytes.")
            return message

        async def named_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self.app(scope, bounded_receive, named_send)
        except Exception as error:
            log.error("request failed", id=request_id, path=scope["path"], exc_info=error)
            if started:
                # The connection must break: an answer that is cut off must not look complete.
                raise
            reply = api_error(error, request_id)
            response = JSONResponse(reply.body.model_dump(), reply.status)
            await response(scope, receive, named_send)


class HostCheck:
    """Refuses requests whose Host header is neither an address, nor `localhost`, nor in `names`.

    This prevents DNS rebinding: another site lets its own name point at 127.0.0.1, so that its page
    has the same origin as this server. The attack needs a name, so addresses are always allowed.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str] = ()) -> None:
        self.app = app
        self.names = {"localhost", *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        host = hostname(Headers(scope=scope).get("host", "")) if scope["type"] == "http" else None
        if scope["type"] != "http" or host in self.names or is_address(host or ""):
            await self.app(scope, receive, send)
            return
        known = ", ".join(sorted(self.names))
        refusal = ApiError(
            400,
            "invalid_host",
            f"{host!r} is not a name of this server. It accepts addresses and {known}; the"
            " option allow-host adds names.",
            param="Host",
        )
        response = JSONResponse(refusal.body.model_dump(), refusal.status)
        await response(scope, receive, send)


def hostname(host: str) -> str | None:
    """The name in a Host header without its port, or None."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def is_address(host: str) -> bool:
    """Whether a host is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
