"""Who may call: keys, origins, host names. And what must never be written down."""

import logging
from typing import Literal

import pytest
import structlog
from starlette.testclient import TestClient

from bots.backends.echo import EchoBot
from bots.chatbot import Inputs
from server.http import logs
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


def test_the_page_can_read_an_internal_error(make_client: MakeClient) -> None:
    client = make_client(Careless(), allow_origin=["http://127.0.0.1:9000"])
    early = {"messages": [{"role": "user", "content": "early"}]}
    reply = client.post("/prompt", json=early, headers={"Origin": "http://127.0.0.1:9000"})
    assert reply.status_code == 500
    assert reply.headers["access-control-allow-origin"] == "http://127.0.0.1:9000"


@pytest.mark.parametrize("header", ["Bearer schlüssel", "Bearer", "", "Basic s3cret", "s3cret"])
def test_odd_credentials_are_refused_not_crashed_on(make_client: MakeClient, header: str) -> None:
    client = make_client(api_key="s3cret")
    reply = client.get("/info", headers={b"Authorization": header.encode()})
    assert reply.status_code == 401
    assert reply.json()["error"]["code"] == "invalid_api_key"
    assert reply.headers["www-authenticate"] == "Bearer"


def test_only_named_origins_may_read(make_client: MakeClient) -> None:
    client = make_client(allow_origin=["http://127.0.0.1:9000"])
    page = client.get("/info", headers={"Origin": "http://127.0.0.1:9000"})
    assert page.headers["access-control-allow-origin"] == "http://127.0.0.1:9000"
    assert "X-Request-Id" in page.headers["access-control-expose-headers"]
    other = client.get("/info", headers={"Origin": "http://evil.example"})
    assert "access-control-allow-origin" not in other.headers
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    assert client.options("/generate", headers=asked).status_code == 400


def test_another_site_s_name_for_this_machine_is_refused(client: TestClient) -> None:
    refused = client.get("/info", headers={"Host": "evil.example"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_host")
    assert refused.headers["x-request-id"]
    assert client.get("/info", headers={"Host": "localhost:8081"}).status_code == 200
    assert client.get("/info", headers={"Host": "[::1]:8081"}).status_code == 200


def test_names_that_are_told_are_let_in(make_client: MakeClient) -> None:
    client = make_client(allow_host=["gpu-box"])
    assert client.get("/info", headers={"Host": "GPU-box:8081"}).status_code == 200
    assert client.get("/info", headers={"Host": "192.168.1.7:8081"}).status_code == 200
    assert client.get("/info", headers={"Host": ""}).status_code == 400


def test_a_form_of_another_site_cannot_start_a_generation(client: TestClient) -> None:
    body = '{"messages":[{"role":"user","content":"x"}]}'
    assert (
        client.post("/generate", content=body, headers={"Content-Type": "text/plain"}).status_code
        == 422
    )


class Careless(EchoBot):
    """Fails before and while it answers."""

    def get_input(self, prompt: str) -> Inputs:
        if "early" in prompt:
            raise RuntimeError("failed early")
        return super().get_input(prompt)


@pytest.mark.parametrize("style", ["console", "json"])
def test_no_prompt_is_logged(
    make_client: MakeClient,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    style: Literal["console", "json"],
) -> None:
    caplog.set_level(logging.DEBUG)
    logs.configure("info", style)
    client = make_client(Careless())
    client.post("/generate", json=ASK)
    client.post("/generate", json=ASK | {"params": {"fail_after": 1}})
    client.post("/generate", json=ASK | {"params": {"nope": "private"}})
    client.post("/generate", json={"messages": "private"})
    client.post("/v1/chat/completions", json={"messages": ASK["messages"], "stream": True})
    reply = client.post(
        "/prompt", json={"messages": [{"role": "user", "content": "private early"}]}
    )
    assert reply.status_code == 500
    assert reply.headers["x-request-id"] in reply.json()["error"]["message"]
    assert "early" not in reply.text
    structlog.reset_defaults()
    captured = capsys.readouterr()
    written = captured.out + captured.err + caplog.text
    assert "request" in written
    assert "failed early" in written
    assert "private" not in written
