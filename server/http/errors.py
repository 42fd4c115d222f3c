"""Errors as HTTP responses: one body for all of them, and the status of each bot error.

{"error": {"message": …, "type": …, "param": …, "code": …}}
"""

from collections.abc import Mapping

from pydantic import BaseModel

from bots.errors import BotError, InvalidRequest, OutOfMemory, UpstreamError

RETRY_AFTER = {"Retry-After": "1"}


class ErrorDetail(BaseModel):
    """An error for people (`message`) and for programs (`code`)."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(BaseModel):
    """The body of every error."""

    error: ErrorDetail


class ApiError(Exception):
    """An error with its HTTP status, its headers and the common body."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.extra: dict[str, object] = {}
        """Further fields of the body beside `error`, for old protocols that have some."""
        self.body = ErrorBody(
            error=ErrorDetail(message=message, type=error_type(status), param=param, code=code)
        )


_TYPES = {
    401: "authentication_error",
    429: "rate_limit_error",
    500: "server_error",
    502: "upstream_error",
    503: "unavailable_error",
    504: "timeout_error",
}


def error_type(status: int) -> str:
    """The `type` of a status: OpenAI's word where it has one."""
    return _TYPES.get(status, "invalid_request_error")


# The first match counts, so subclasses stand before BotError.
_STATUS: list[tuple[type[BotError], int, dict[str, str]]] = [
    (InvalidRequest, 400, {}),
    (OutOfMemory, 503, RETRY_AFTER),
    (UpstreamError, 502, {}),
    (BotError, 500, {}),
]


def api_error(error: BaseException, request_id: str) -> ApiError:
    """The response for an exception. An unknown one shows only the id of its request, because its
    text may hold parts of prompts or paths."""
    if isinstance(error, ApiError):
        return error
    for kind, status, headers in _STATUS:
        if isinstance(error, kind):
            return ApiError(status, error.code, error.message, param=error.param, headers=headers)
    return ApiError(
        500, "internal_error", f"Internal error; the log has the details under {request_id}."
    )


def error_code(error: BaseException) -> str:
    """The `code` of an exception on the wire."""
    if isinstance(error, ApiError):
        return error.body.error.code or "internal_error"
    return error.code if isinstance(error, BotError) else "internal_error"


def responses(*statuses: int) -> dict[int | str, dict[str, object]]:
    """The `responses=` argument of a route: each status with the common error body."""
    words = {
        400: "A value that cannot be used",
        401: "No API key, or a wrong one",
        404: "Not known here",
        409: "It conflicts with what is there",
        413: "The body is too large",
        422: "The body has the wrong shape",
        429: "The queue is full",
        500: "The worker failed",
        502: "The endpoint behind this worker failed",
        503: "Loading, draining or out of memory",
        504: "It took longer than the worker allows",
    }
    return {status: {"model": ErrorBody, "description": words[status]} for status in statuses}
