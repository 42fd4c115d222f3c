"""Log lines hold no text of prompts and answers."""

import logging
from typing import Literal

import pytest
import structlog

from bots.backends.echo import EchoBot
from bots.hooks import Inputs
from server.http import logs
from tests.server.conftest import MakeClient

ASK = {"messages": [{"role": "user", "content": "a very private prompt"}], "stream": False}


class Careless(EchoBot):
    """Fails to build the input of the prompt `early`."""

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
