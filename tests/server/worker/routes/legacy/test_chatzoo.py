"""The endpoints of 2023: which client a body is from, and its answer."""

import re
from typing import Any

import pytest
from starlette.testclient import TestClient


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
