"""The native protocol."""

import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from bots.backends.echo import EchoBot
from bots.chatbot import ChatBot
from bots.events import Message, Step
from bots.hooks import Inputs
from bots.settings import BotSettings, control
from server.worker.ticket import Call
from tests.server.conftest import MakeClient


class Rethinking(ChatBot):
    """Its second step replaces answer and reasoning of the first."""

    reasoning_tags = ("<r>", "</r>")

    def load_model(self) -> None:
        pass

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        return messages[-1].content

    def generate(
        self, inputs: Inputs, settings: BotSettings, stop: threading.Event
    ) -> Iterator[Step]:
        yield Step(text="<r>hm</r>yes")
        yield Step(text="<r>oh</r>no", whole=True)


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The (event, data) pairs of a stream."""
    pairs = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        pairs.append((fields["event"], json.loads(fields["data"])))
    return pairs


def ask(text: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


def test_a_stream_is_start_deltas_done(client: TestClient) -> None:
    reply = client.post("/generate", json=ask("hello 世界"))
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.headers["cache-control"] == "no-cache"
    assert reply.headers["x-accel-buffering"] == "no"
    events = events_of(reply.text)
    assert next(name for name, _ in events) == "start"
    assert {name for name, _ in events[1:-1]} == {"delta"}
    start, done = events[0][1], events[-1]
    assert start == {
        "id": reply.headers["x-request-id"],
        "model": "echo",
        "prompt_tokens": 2,
        "queue_ms": 0,
        "dropped_turns": 0,
    }
    assert "".join(data["text"] for name, data in events if name == "delta") == "hello 世界"
    assert done[0] == "done"
    assert done[1]["finish_reason"] == "stop"
    assert done[1]["usage"] == {"prompt_tokens": 2, "completion_tokens": 2, "cached_tokens": 0}
    assert set(done[1]["timings"]) == {"queue_ms", "ttft_ms", "total_ms", "tokens_per_second"}


def test_a_whole_step_replaces_answer_and_reasoning(make_client: MakeClient) -> None:
    client = make_client(Rethinking())
    events = events_of(client.post("/generate", json=ask("q")).text)
    assert ("replace", {"text": "no", "reasoning": "oh"}) in events
    joined = client.post("/generate", json=ask("q", stream=False)).json()
    assert (joined["text"], joined["reasoning"]) == ("no", "oh")


def test_the_joined_answer_is_the_joined_stream(client: TestClient) -> None:
    reply = client.post("/generate", json=ask("a b", stream=False)).json()
    assert reply["text"] == "a b"
    assert reply["finish_reason"] == "stop"
    assert reply["reasoning"] is None


def test_an_error_in_the_middle_ends_the_stream_and_keeps_the_text(client: TestClient) -> None:
    events = events_of(client.post("/generate", json=ask("a b", params={"fail_after": 1})).text)
    assert ("delta", {"text": "a"}) in events
    name, data = events[-1]
    assert name == "error"
    assert data["error"]["code"] == "internal_error"
    assert "told to fail" in data["error"]["message"]


def test_the_same_error_without_a_stream_is_a_status(client: TestClient) -> None:
    body = ask("a b", stream=False, params={"fail_after": 1})
    assert client.post("/generate", json=body).status_code == 500


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        (ask("x", params={"rate": -1}), 400, "rate"),
        (ask("x", params={"heat": 1}), 400, "heat"),
        (ask("x", params={"max_new_tokens": 5000}), 400, "max_new_tokens"),
        (ask("x", strem=True), 422, "strem"),
        ({"messages": []}, 422, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 422, "messages.0.role"),
        ({"messages": [{"role": "system", "content": "x"}]}, 400, "messages"),
        ([], 422, None),
    ],
)
def test_a_wrong_request_names_the_field(
    client: TestClient, body: Any, status: int, param: str | None
) -> None:
    reply = client.post("/generate", json=body)
    assert reply.status_code == status
    error = reply.json()["error"]
    assert error["param"] == param
    assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/generate", ask("\ud800")),
        ("/prompt", ask("x") | {"system": "\ud800"}),
        ("/", {"prompt": "\ud800"}),
        ("/", {"prompt": "x", "history": [["\ud800", ""]]}),
        ("/get_prompt", [{"role": "HUMAN", "content": "\ud800"}]),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "\ud800"}]}),
        ("/v1/completions", {"prompt": "\ud800"}),
    ],
)
def test_half_a_character_is_422(client: TestClient, path: str, body: Any) -> None:
    headers = {"Content-Type": "application/json"}
    reply = client.post(path, content=json.dumps(body), headers=headers)
    assert reply.status_code == 422
    assert "surrogate" in reply.json()["error"]["message"]


def test_stop_texts_are_bounded(client: TestClient) -> None:
    reply = client.post("/generate", json=ask("x", params={"stop": ["x" * 501]}))
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "stop")


def test_a_fault_of_the_wire_is_logged_under_the_id_that_the_client_gets(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("broken on purpose")

    monkeypatch.setattr("server.worker.routes.generate.timings", broken)
    with capture_logs() as lines:
        reply = client.post("/generate", json=ask("x"))
    assert reply.headers["x-request-id"] in events_of(reply.text)[-1][1]["error"]["message"]
    [fault] = [line for line in lines if line["log_level"] == "error"]
    assert "broken on purpose" in str(fault["exc_info"])
    assert reply.headers["x-request-id"] == fault["id"]


def test_broken_json_is_422(client: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    assert client.post("/generate", content="{", headers=headers).status_code == 422


def test_the_system_text_takes_the_place_of_one_in_the_messages(client: TestClient) -> None:
    messages = [{"role": "system", "content": "old"}, {"role": "user", "content": "q"}]
    body = {"messages": messages, "system": "new"}
    assert client.post("/prompt", json=body).json() == {
        "prompt": "q",
        "token_ids": [0],
        "count": 1,
        "dropped_turns": 0,
    }


def test_cancelling_an_unknown_request_is_404(client: TestClient) -> None:
    reply = client.post("/requests/req_none/cancel")
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "request_not_found"


def test_requests_have_the_limits_of_the_worker(make_client: MakeClient) -> None:
    client = make_client(max_messages=2, max_body_bytes=1024, max_new_tokens=3)
    many = {"messages": [{"role": "user", "content": "x"}] * 3}
    assert client.post("/generate", json=many).json()["error"]["param"] == "messages"
    large = client.post("/generate", json=ask("x" * 2000))
    assert large.status_code == 413
    assert large.json()["error"]["code"] == "body_too_large"
    short = client.post("/generate", json=ask("a b c d e", stream=False)).json()
    assert (short["text"], short["finish_reason"]) == ("a b c", "length")
    field = client.get("/params").json()["properties"]["max_new_tokens"]
    assert (field["maximum"], field["default"]) == (3, 3)


def test_a_bot_without_a_limit_on_tokens_has_the_worker_s(make_client: MakeClient) -> None:
    class Unbounded(Rethinking):
        class Settings(BotSettings):
            max_new_tokens: int = control(64, "number", "Max new tokens", "", ge=1)

    reply = make_client(Unbounded(), max_new_tokens=40).get("/params")
    assert reply.status_code == 200
    field = reply.json()["properties"]["max_new_tokens"]
    assert (field["maximum"], field["default"]) == (40, 40)


def test_a_body_without_announced_length_is_bounded_too(make_client: MakeClient) -> None:
    client = make_client(max_body_bytes=1024)

    def chunks() -> Any:
        for _ in range(10):
            yield b" " * 500

    reply = client.post("/generate", content=chunks(), headers={"Content-Type": "application/json"})
    assert reply.status_code == 413


def test_the_queue_is_full_before_anything_is_streamed(make_client: MakeClient) -> None:
    client = make_client(max_queue=0, max_running=1)
    bot = EchoBot()
    endless = bot.prepare([Message("user", "a b c")], bot.Settings.parse({"rate": 0.01}))
    assert client.portal is not None
    runner = client.app.state.worker.runner  # type: ignore[attr-defined]
    client.portal.call(lambda: runner.submit(endless, Call("other")))
    reply = client.post("/generate", json=ask("x"))
    assert reply.status_code == 429
    assert reply.json()["error"]["code"] == "queue_full"
    assert reply.headers["retry-after"] == "1"


def test_an_answer_that_takes_too_long_ends_with_504(make_client: MakeClient) -> None:
    client = make_client(request_timeout=0.1)
    body = ask("a b c d e f", params={"rate": 1})
    assert events_of(client.post("/generate", json=body).text)[-1][1]["error"]["code"] == (
        "request_timeout"
    )
    assert client.post("/generate", json=body | {"stream": False}).status_code == 504


def test_a_form_of_another_site_cannot_start_a_generation(client: TestClient) -> None:
    body = '{"messages":[{"role":"user","content":"x"}]}'
    assert (
        client.post("/generate", content=body, headers={"Content-Type": "text/plain"}).status_code
        == 422
    )
