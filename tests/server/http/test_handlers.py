"""Every kind of exception becomes a response with the common body."""

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from bots.errors import InvalidRequest
from server.http.errors import ApiError
from server.http.handlers import add_handlers
from server.http.middleware import REQUEST_ID, RequestContext


def raising(error: Exception) -> FastAPI:
    """An application whose endpoint raises an error, or has a query parameter of a number."""
    app = FastAPI()
    add_handlers(app)
    app.add_middleware(RequestContext, max_body_bytes=10)

    @app.get("/")
    def endpoint(number: int = 1) -> None:
        raise error

    return app


@pytest.fixture
def extra() -> ApiError:
    error = ApiError(429, "queue_full", "Later.", headers={"Retry-After": "1"})
    error.extra = {"status": 1}
    return error


def client(error: Exception) -> TestClient:
    return TestClient(raising(error), raise_server_exceptions=False)


def test_an_api_error_keeps_status_headers_and_further_fields(extra: ApiError) -> None:
    reply = client(extra).get("/")
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "1")
    assert (reply.json()["status"], reply.json()["error"]["code"]) == (1, "queue_full")


def test_a_bot_error_is_in_the_common_body() -> None:
    reply = client(InvalidRequest("seed: no.", param="seed")).get("/")
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "seed"


def test_a_wrong_shape_names_the_field() -> None:
    reply = client(KeyError()).get("/?number=x")
    assert reply.status_code == 422
    assert reply.json()["error"]["param"] == "number"
    assert reply.json()["error"]["code"] == "invalid_request"


def test_http_errors_of_the_framework_have_codes() -> None:
    assert client(KeyError()).post("/").json()["error"]["code"] == "method_not_allowed"
    assert client(KeyError()).get("/nowhere").json()["error"]["code"] == "not_found"


def test_other_exceptions_are_left_to_the_middleware() -> None:
    reply = client(KeyError("secret")).get("/")
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "internal_error")
    assert reply.headers[REQUEST_ID] in reply.json()["error"]["message"]
    assert "secret" not in reply.text
