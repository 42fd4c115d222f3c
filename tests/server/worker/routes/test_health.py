"""What a worker reports about itself while it loads, answers and drains, and after a failure."""

import threading
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from bots.backends.echo import EchoBot
from bots.errors import ConfigError, LoadError
from tests.server.conftest import MakeClient
from tests.support import eventually


class SlowToLoad(EchoBot):
    """Reports half of its weights as loaded, and finishes to load when the test sets `go_on`."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.error = error

    def load_model(self) -> None:
        self.progress("weights", 0.5)
        self.go_on.wait(30)
        if self.error:
            raise self.error


@pytest.fixture
def slow() -> Iterator[SlowToLoad]:
    bot = SlowToLoad()
    yield bot
    bot.go_on.set()


ASK = {"messages": [{"role": "user", "content": "x"}], "stream": False}


def test_while_loading_it_reports_progress_and_answers_503(
    make_client: MakeClient, slow: SlowToLoad
) -> None:
    client = make_client(slow, wait=False)
    assert client.get("/healthz").json() == {"status": "ok"}
    eventually(lambda: client.get("/info").json()["progress"]["fraction"] == 0.5, "progress")
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.headers["retry-after"]
    assert ready.json()["state"] == "loading"
    assert ready.json()["progress"] == {"stage": "weights", "fraction": 0.5}
    assert ready.json()["error"]["code"] == "model_loading"
    assert client.get("/info").json()["state"] == "loading"
    assert "rate" in client.get("/params").json()["properties"]
    asked = client.post("/generate", json=ASK)
    assert (asked.status_code, asked.json()["error"]["code"]) == (503, "model_loading")
    slow.go_on.set()
    eventually(lambda: client.get("/readyz").status_code == 200, "ready")
    assert client.get("/info").json()["progress"] is None
    assert client.post("/generate", json=ASK).status_code == 200


@pytest.mark.parametrize(
    ("error", "words"),
    [(LoadError("no weights there"), "no weights there"), (KeyError("odd"), "KeyError: 'odd'")],
)
def test_a_failure_to_load_is_reported_and_the_process_stays(
    make_client: MakeClient, error: Exception, words: str
) -> None:
    bot = SlowToLoad(error)
    bot.go_on.set()
    client = make_client(bot, wait=False)
    eventually(lambda: client.get("/info").json()["state"] == "failed", "failed")
    assert client.get("/info").json()["error"] == words
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["error"]["code"]) == (503, "model_failed")
    assert words in client.post("/generate", json=ASK).json()["error"]["message"]


def test_draining_refuses_new_requests(client: TestClient) -> None:
    client.app.state.worker.runner.draining = True  # type: ignore[attr-defined]
    assert client.get("/readyz").json()["state"] == "draining"
    asked = client.post("/generate", json=ASK)
    assert (asked.status_code, asked.json()["error"]["code"]) == (503, "draining")


def test_info_has_the_facts(client: TestClient) -> None:
    info = client.get("/info").json()
    assert (info["name"], info["family"], info["native_class"]) == ("echo", "echo", "EchoBot")
    assert info["queue"] == {"running": 0, "waiting": 0, "max_running": 512, "max_queue": 64}
    assert info["capabilities"]["logprobs"] is False


def test_params_name_their_controls(client: TestClient) -> None:
    properties = client.get("/params").json()["properties"]
    assert properties["rate"]["x-control"] == "slider"
    assert properties["stop"]["x-control"] == "hidden"


def test_metrics_count_requests_tokens_and_errors(client: TestClient) -> None:
    client.post("/generate", json=ASK)
    client.post("/generate", json=ASK | {"params": {"fail_after": 1, "repeat": 2}})
    text = client.get("/metrics").text
    assert 'chatzoo_request_success_total{finished_reason="stop"} 1.0' in text
    assert 'chatzoo_request_errors_total{code="internal_error"} 1.0' in text
    assert "chatzoo_prompt_tokens_total 1.0" in text
    assert "chatzoo_generation_tokens_total 1.0" in text
    assert "chatzoo_num_requests_running 0.0" in text
    assert "chatzoo_time_to_first_token_seconds_count 2.0" in text


def test_probes_may_ask_for_the_head_alone(client: TestClient) -> None:
    assert client.head("/healthz").status_code == 200
    assert client.head("/readyz").status_code == 200


def test_nothing_of_the_bot_is_known_before_it_is_made(make_client: MakeClient) -> None:
    made = threading.Event()

    def make() -> EchoBot:
        made.wait(30)
        return EchoBot()

    client = make_client(make, wait=False)
    try:
        assert client.get("/healthz").status_code == 200
        info = client.get("/info").json()
        assert (info["state"], info["family"], info["queue"]["max_running"]) == (
            "loading",
            "echo",
            0,
        )
        for reply in (client.get("/params"), client.post("/parameters")):
            assert (reply.status_code, reply.json()["error"]["code"]) == (503, "model_loading")
    finally:
        made.set()
    eventually(lambda: client.get("/params").status_code == 200, "settings")


def test_options_that_cannot_work_are_noted_for_the_process(make_client: MakeClient) -> None:
    def make() -> EchoBot:
        raise ConfigError("no such thing")

    client = make_client(make, wait=False)
    worker = client.app.state.worker  # type: ignore[attr-defined]
    eventually(lambda: worker.misconfigured is not None, "the error")
    assert client.get("/readyz").json()["error"]["code"] == "model_failed"


def test_every_answer_has_an_id_and_an_unknown_place_the_common_error(client: TestClient) -> None:
    reply = client.get("/nowhere")
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "not_found"
    assert reply.headers["x-request-id"].startswith("req_")


class Heavy(EchoBot):
    """Reports memory."""

    def memory(self) -> dict[str, int]:
        return {"weights": 3, "peak": 5}


def test_memory_of_the_model_is_reported(make_client: MakeClient, client: TestClient) -> None:
    assert client.get("/info").json()["memory"] == {"weights": None, "cache": None, "peak": None}
    heavy = make_client(Heavy())
    assert heavy.get("/info").json()["memory"] == {"weights": 3, "cache": None, "peak": 5}
    text = heavy.get("/metrics").text
    assert 'chatzoo_memory_bytes{kind="weights"} 3.0' in text
    assert 'kind="cache"' not in text
