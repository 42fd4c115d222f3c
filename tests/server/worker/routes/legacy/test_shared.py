"""Question and answer pairs: remembering, trimming, length limits."""

import pytest
from starlette.testclient import TestClient

from bots.hooks import BotInfo
from tests.server.conftest import MakeClient
from tests.server.worker.routes.legacy.conftest import Transcript


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
    """Has a context that a long conversation fills."""

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
