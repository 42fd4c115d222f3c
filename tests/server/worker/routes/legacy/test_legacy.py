"""The dialects of 2023."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.testclient import TestClient

from bots.backends.echo import EchoBot, EchoSettings
from bots.events import Message
from bots.hooks import BotInfo
from bots.settings import BotSettings
from tests.server.conftest import MakeClient


class Transcript(EchoBot):
    """Says the whole conversation, so that tests see what the model would."""

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        return "|".join(f"{message.role[0]}:{message.content}" for message in messages)


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    return make_client(Transcript())


def test_chatzoo_a_list_or_a_query(client: TestClient) -> None:
    turns = [
        {"role": "HUMAN", "content": "q"},
        {"role": "BOT", "content": "a"},
        {"role": "HUMAN", "content": "r"},
    ]
    wanted = {"status": 0, "response": "u:q|a:a|u:r"}
    assert client.post("/", json=turns).json() == wanted
    assert client.post("/", json={"query": turns, "params": {"repeat": 1}}).json() == wanted


def test_chatzoo_a_failure_has_a_real_status_and_its_own_fields(client: TestClient) -> None:
    body = {"query": [{"role": "HUMAN", "content": "q"}], "params": {"nope": 1}}
    reply = client.post("/", json=body)
    assert reply.status_code == 400
    assert (reply.json()["status"], reply.json()["response"]) == (1, None)
    assert reply.json()["error"]["param"] == "nope"


def test_chatglm_history_comes_with_the_request(client: TestClient) -> None:
    reply = client.post("/", json={"prompt": "r", "history": [["q", "a"]]}).json()
    assert reply["response"] == "u:q|a:a|u:r"
    assert reply["history"] == [["q", "a"], ["r", "u:q|a:a|u:r"]]
    assert reply["status"] == 200
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", reply["time"])
    assert "uid" not in reply


def test_educhat_and_moss_the_worker_remembers_by_uid(client: TestClient) -> None:
    first = client.post("/", json={"prompt": "q"}).json()
    assert first["response"] == "u:q"
    second = client.post("/", json={"prompt": "r", "uid": first["uid"]}).json()
    assert second["uid"] == first["uid"]
    assert second["response"] == "u:q|a:u:q|u:r"
    other = client.post("/", json={"prompt": "q", "uid": "unknown"}).json()
    assert other["uid"] not in ("unknown", first["uid"])
    assert other["history"] == [["q", "u:q"]]


def test_a_failed_answer_is_not_remembered(client: TestClient) -> None:
    uid = client.post("/", json={"prompt": "q"}).json()["uid"]
    failed = client.post("/", json={"prompt": "r", "uid": uid, "temperature": 1})
    assert failed.status_code == 400
    assert len(client.post("/", json={"prompt": "s", "uid": uid}).json()["history"]) == 2


def test_a_remembered_conversation_that_is_too_long_loses_its_oldest_pairs(
    make_client: MakeClient,
) -> None:
    client = make_client(Transcript(), max_messages=3)
    uid = client.post("/", json={"prompt": "one"}).json()["uid"]
    client.post("/", json={"prompt": "two", "uid": uid})
    third = client.post("/", json={"prompt": "three", "uid": uid}).json()
    assert [question for question, _ in third["history"]] == ["two", "three"]
    history = [["q", "a"]] * 2
    refused = client.post("/", json={"prompt": "r", "history": history})
    assert refused.status_code == 400, "a caller who sends the history is told"


@pytest.mark.parametrize("limit", [{"max_conversations": 1}, {"conversation_ttl": 1e-9}])
def test_remembered_conversations_are_bounded(
    make_client: MakeClient, limit: dict[str, float]
) -> None:
    client = make_client(Transcript(), **limit)
    first = client.post("/", json={"prompt": "q"}).json()["uid"]
    client.post("/", json={"prompt": "other"})
    again = client.post("/", json={"prompt": "r", "uid": first}).json()
    assert again["uid"] != first
    assert len(again["history"]) == 1


class Forgetful(Transcript):
    """Its context is so small that a long conversation leaves no room."""

    def info(self) -> BotInfo:
        return BotInfo(context_length=40)


def test_old_pairs_make_room_for_an_answer(make_client: MakeClient) -> None:
    client = make_client(Forgetful())
    uid, history = None, []
    for n in range(8):
        reply = client.post("/", json={"prompt": f"{n} b c", "uid": uid}).json()
        uid, history = reply["uid"], reply["history"]
        assert len(reply["response"].split()) >= 3
    assert len(history) < 8


def test_max_length_counts_prompt_and_answer(client: TestClient) -> None:
    body = {"prompt": "a b c", "max_length": 5}
    assert client.post("/", json=body).json()["response"] == "u:a b"
    refused = client.post("/", json=body | {"max_length": 3})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "max_length")


@pytest.mark.parametrize(
    "body",
    [{}, [], "text", 3, None, {"query": []}, {"history": []}, [{"role": "X", "content": ""}]],
)
def test_anything_else_is_422(client: TestClient, body: Any) -> None:
    reply = client.post("/", json=body)
    assert reply.status_code == 422
    assert reply.json()["error"]["code"] == "invalid_request"


def test_parameters_and_get_prompt(client: TestClient) -> None:
    defaults = client.post("/parameters").json()
    assert defaults["repeat"] == 1
    turns = [{"role": "HUMAN", "content": "q"}]
    for body in (turns, {"query": turns}):
        reply = client.post("/get_prompt", json=body)
        assert reply.text == "u:q"
        assert reply.headers["content-type"].startswith("text/plain")


def test_educhat_s_own_path_is_the_same(client: TestClient) -> None:
    first = client.post("/educhat", json={"prompt": "q"}).json()
    again = client.post("/educhat", json={"prompt": "r", "uid": first["uid"]}).json()
    assert again["history"] == [["q", "u:q"], ["r", "u:q|a:u:q|u:r"]]
    assert client.post("/", json={"prompt": "s", "uid": first["uid"]}).json()["uid"] == first["uid"]


class Moody(EchoBot):
    """Has modes, and says which one it is asked in."""

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
def test_educhat_s_demo_tells_thoughts_apart(make_client: MakeClient, used: str, mode: str) -> None:
    client = make_client(Moody())
    turns = [{"role": "user", "content": "why"}]
    body = {"functionUsed": used, "messages": turns, "temperature": 0.5, "max_tokens": 1000}
    reply = client.post("/chat", json=body)
    assert reply.status_code == 200, reply.text
    told = reply.json()
    assert (told["response"], told["inner_thought"], told["status"]) == ("why 0.5", mode, 200)
    assert client.post("/chat", json={"messages": turns, "top_p": 0.5}).status_code == 400
