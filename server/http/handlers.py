"""Exception handlers of the applications: every error becomes a response with the common body."""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bots.errors import BotError
from server.http.errors import ApiError, ErrorBody, ErrorDetail, api_error, error_type

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


def reply(error: ApiError) -> JSONResponse:
    """The response for an error."""
    body = error.extra | error.body.model_dump()
    return JSONResponse(body, error.status, headers=error.headers)


def add_handlers(app: FastAPI) -> None:
    """Register the handlers on `app`. Other exceptions are answered by `RequestContext`."""

    async def on_known(request: Request, error: Exception) -> Response:
        return reply(api_error(error, request.state.request_id))

    async def on_shape(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
        param = ".".join(place) or None
        message = f"{param or 'body'}: {first['msg'].removeprefix('Value error, ')}."
        detail = ErrorDetail(
            message=message, type=error_type(422), param=param, code="invalid_request"
        )
        return JSONResponse(ErrorBody(error=detail).model_dump(), 422)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = _CODES.get(error.status_code, "http_error")
        return reply(ApiError(error.status_code, code, error.detail, headers=error.headers))

    app.add_exception_handler(ApiError, on_known)
    app.add_exception_handler(BotError, on_known)
    app.add_exception_handler(RequestValidationError, on_shape)
    app.add_exception_handler(HTTPException, on_http)
