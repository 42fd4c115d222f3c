"""The API key: which endpoints ask for it, and which headers carry it."""

import pytest

from tests.server.conftest import MakeClient

ASK = {"messages": [{"role": "user", "content": "a very private prompt"}], "stream": False}


def test_with_a_key_all_but_health_wants_it(make_client: MakeClient) -> None:
    client = make_client(api_key="s3cret")
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200
    calls = [
        ("GET", "/info"),
        ("GET", "/params"),
        ("GET", "/metrics"),
        ("GET", "/v1/models"),
        ("GET", "/openapi.json"),
    ]
    calls += [
        ("POST", "/generate"),
        ("POST", "/prompt"),
        ("POST", "/"),
        ("POST", "/requests/x/cancel"),
    ]
    calls += [
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/completions"),
        ("POST", "/parameters"),
    ]
    for method, path in calls:
        assert client.request(method, path, json=ASK).status_code == 401, path
        wrong = {"Authorization": "Bearer s3cre"}
        assert client.request(method, path, json=ASK, headers=wrong).status_code == 401, path
    right = {"Authorization": "Bearer s3cret"}
    assert client.get("/info", headers=right).status_code == 200
    assert client.post("/generate", json=ASK, headers=right).status_code == 200


@pytest.mark.parametrize("header", ["Bearer schlüssel", "Bearer", "", "Basic s3cret", "s3cret"])
def test_odd_credentials_are_refused_not_crashed_on(make_client: MakeClient, header: str) -> None:
    client = make_client(api_key="s3cret")
    reply = client.get("/info", headers={b"Authorization": header.encode()})
    assert reply.status_code == 401
    assert reply.json()["error"]["code"] == "invalid_api_key"
    assert reply.headers["www-authenticate"] == "Bearer"
