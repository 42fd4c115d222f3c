"""What happens to every request of a worker and of the hub: an id, a bound on the body, a net.

Plain ASGI: a stream passes through untouched, and the client's leaving is seen at once.
"""

import secrets

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.errors import api_error

log = structlog.get_logger("chatzoo.http")

REQUEST_ID = "X-Request-Id"


class RequestContext:
    """Gives each request an id (`scope["state"]["request_id"]`, header `X-Request-Id`), refuses
    bodies over `max_body_bytes` with 413, and turns an unforeseen exception into a 500 that names
    the id and shows nothing of the inside."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = f"req_{secrets.token_hex(8)}"
        scope.setdefault("state", {})["request_id"] = request_id
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
                raise  # the connection must break, or a cut answer would look like a whole one
            reply = api_error(error, request_id)
            response = JSONResponse(reply.body.model_dump(), reply.status)
            await response(scope, receive, named_send)
