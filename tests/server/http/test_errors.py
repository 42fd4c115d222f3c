"""Which status, type and code an exception has on the wire."""

import pytest

from bots.errors import BotError, InvalidRequest, OutOfMemory, UpstreamError
from server.http.errors import ApiError, api_error, error_code, error_type, responses


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (InvalidRequest("bad", param="seed"), 400, "invalid_request_error"),
        (OutOfMemory("full"), 503, "unavailable_error"),
        (UpstreamError("gone"), 502, "upstream_error"),
        (BotError("other"), 500, "server_error"),
    ],
)
def test_bot_errors_have_a_status_and_keep_their_message(
    error: BotError, status: int, kind: str
) -> None:
    found = api_error(error, "req_1")
    detail = found.body.error
    assert (found.status, detail.type) == (status, kind)
    assert (detail.message, detail.param, detail.code) == (error.message, error.param, error.code)
    assert error_code(error) == error.code
    assert ("Retry-After" in found.headers) == isinstance(error, OutOfMemory)


def test_an_unknown_exception_shows_the_id_and_nothing_of_its_text() -> None:
    found = api_error(KeyError("a private prompt"), "req_1")
    assert (found.status, found.body.error.code) == (500, "internal_error")
    assert "req_1" in found.body.error.message
    assert "private" not in found.body.model_dump_json()
    assert error_code(KeyError()) == "internal_error"


def test_an_error_with_a_status_stays_what_it_is() -> None:
    error = ApiError(404, "not_found", "Not here.", param="id")
    assert api_error(error, "req_1") is error
    assert error_code(error) == "not_found"
    assert error_type(418) == "invalid_request_error"


def test_documented_statuses_have_the_common_body() -> None:
    assert set(responses(401, 503)) == {401, 503}
