"""EduChat's two endpoints."""

from collections.abc import Sequence

import pytest
from starlette.testclient import TestClient

from bots.backends.echo import EchoBot, EchoSettings
from bots.events import Message
from bots.settings import BotSettings
from tests.server.conftest import MakeClient


def test_educhat_s_own_path_is_the_same(client: TestClient) -> None:
    first = client.post("/educhat", json={"prompt": "q"}).json()
    again = client.post("/educhat", json={"prompt": "r", "uid": first["uid"]}).json()
    assert again["history"] == [["q", "u:q"], ["r", "u:q|a:u:q|u:r"]]
    assert client.post("/", json={"prompt": "s", "uid": first["uid"]}).json()["uid"] == first["uid"]


class Moody(EchoBot):
    """Has modes, and answers with the mode of the request as its reasoning."""

    class Settings(EchoSettings):
        """EchoBot's, and modes."""

        mode: str = "openQA"
        temperature: float = 1.0

    reasoning_tags = ("<think>", "</think>")

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        assert isinstance(settings, Moody.Settings)
        return f"<think>{settings.mode}</think>{messages[-1].content} {settings.temperature:g}"


@pytest.mark.parametrize(
    ("used", "mode"), [("teacher-guide", "teacher-guide"), ("essay", "openQA"), ("", "openQA")]
)
def test_educhat_s_demo_separates_reasoning(make_client: MakeClient, used: str, mode: str) -> None:
    client = make_client(Moody())
    turns = [{"role": "user", "content": "why"}]
    body = {"functionUsed": used, "messages": turns, "temperature": 0.5, "max_tokens": 1000}
    reply = client.post("/chat", json=body)
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert (body["response"], body["inner_thought"], body["status"]) == ("why 0.5", mode, 200)
    assert client.post("/chat", json={"messages": turns, "top_p": 0.5}).status_code == 400
