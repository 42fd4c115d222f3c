"""A worker as its users meet it: a process, a socket, the real openai client."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import httpx
import openai
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import status_code_conformance

from bots.backends.echo import EchoBot
from server.worker.app import create_app
from server.worker.config import load_config
from tests.support import WorkerProcess, answers, eventually, running_worker


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerProcess]:
    with running_worker("--type", "echo", "--log-format", "json") as started:
        yield started


def metric(url: str, name: str) -> float:
    """The value of a metric now."""
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


def ask(text: str, **params: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text}], "params": params}


LONG = "word " * 1000


def test_the_openai_client_streams(worker: WorkerProcess) -> None:
    client = openai.OpenAI(base_url=f"{worker.url}/v1", api_key="none")
    assert [model.id for model in client.models.list()] == ["echo"]
    stream = client.chat.completions.create(
        model="echo",
        messages=[{"role": "user", "content": "Hello 世界 of 🙂 wonders"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "Hello 世界 of 🙂 wonders"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 5


def test_the_openai_client_understands_our_errors(worker: WorkerProcess) -> None:
    client = openai.OpenAI(base_url=f"{worker.url}/v1", api_key="none", max_retries=0)
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(
            model="echo", messages=[{"role": "user", "content": "x"}], temperature=1
        )
    assert bad.value.param == "temperature"
    assert bad.value.code == "unsupported_parameter"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_a_browser_that_leaves_stops_the_decoding_within_one_step(worker: WorkerProcess) -> None:
    before = metric(worker.url, "chatzoo_generation_tokens_total")
    with httpx.stream("POST", f"{worker.url}/generate", json=ask(LONG, rate=1)) as reply:
        lines = reply.iter_lines()
        while next(lines) != "event: delta":
            pass
        assert metric(worker.url, "chatzoo_num_requests_running") == 1
    eventually(lambda: metric(worker.url, "chatzoo_num_requests_running") == 0, "no request", 5)
    # A token a second: the first was seen, and at most the step under way came after it.
    assert metric(worker.url, "chatzoo_generation_tokens_total") - before <= 2


def test_cancelling_ends_the_stream_within_one_step(worker: WorkerProcess) -> None:
    with httpx.stream("POST", f"{worker.url}/generate", json=ask(LONG, rate=0.5)) as reply:
        lines = reply.iter_lines()
        while next(lines) != "event: delta":
            pass
        name = reply.headers["x-request-id"]
        assert httpx.post(f"{worker.url}/requests/{name}/cancel").json()["cancelled"] is True
        rest = "\n".join(lines)
    assert rest.count("event: delta") <= 1
    done = json.loads(rest.strip().splitlines()[-1].removeprefix("data: "))
    assert done["finish_reason"] == "cancelled"
    assert done["usage"]["completion_tokens"] <= 2


def test_a_client_of_the_joined_answer_that_leaves_stops_it_too(worker: WorkerProcess) -> None:
    body = ask(LONG, rate=20) | {"stream": False}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{worker.url}/generate", json=body, timeout=0.5)
    eventually(lambda: metric(worker.url, "chatzoo_num_requests_running") == 0, "no request", 5)


def test_64_streams_lose_nothing_and_leave_nothing(worker: WorkerProcess) -> None:
    words, rate = 50, 50

    async def whole(client: httpx.AsyncClient, number: int) -> None:
        text = " ".join(f"{number}-{n}" for n in range(words))
        got, ended = "", False
        async with client.stream(
            "POST", f"{worker.url}/generate", json=ask(text, rate=rate)
        ) as reply:
            async for line in reply.aiter_lines():
                ended = ended or line == "event: done"
                if line.startswith("data: "):
                    got += json.loads(line[6:]).get("text", "")
        assert got == text
        assert ended

    async def leave(client: httpx.AsyncClient, begun: asyncio.Event) -> None:
        async with client.stream("POST", f"{worker.url}/generate", json=ask(LONG, rate=50)) as r:
            async for line in r.aiter_lines():
                if line == "event: delta":
                    begun.set()

    async def all_at_once() -> float:
        limits = httpx.Limits(max_connections=None)
        async with asyncio.timeout(60), httpx.AsyncClient(limits=limits, timeout=60) as client:
            await asyncio.gather(*(whole(client, number) for number in range(64)))
            begun = [asyncio.Event() for _ in range(64)]
            readers = [asyncio.create_task(leave(client, one)) for one in begun]
            await asyncio.gather(*(one.wait() for one in begun))
            running = metric(worker.url, "chatzoo_num_requests_running")
            assert running == 64
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
        return time.monotonic()

    vanished = asyncio.run(all_at_once())
    eventually(lambda: metric(worker.url, "chatzoo_num_requests_running") == 0, "nothing runs", 5)
    assert time.monotonic() - vanished < 1


def test_sigterm_lets_answers_finish_and_refuses_new_ones() -> None:
    with running_worker("--type", "echo") as started:
        got: list[str] = []
        begun = threading.Event()

        def read() -> None:
            body = ask("one two three four five six", rate=4)
            with httpx.stream("POST", f"{started.url}/generate", json=body) as reply:
                for line in reply.iter_lines():
                    got.append(line)
                    if line == "event: delta":
                        begun.set()

        with httpx.Client(base_url=started.url) as other:
            other.get("/healthz")
            reader = threading.Thread(target=read)
            reader.start()
            assert begun.wait(10)
            started.process.send_signal(signal.SIGTERM)
            eventually(lambda: other.get("/readyz").status_code == 503, "draining", 5)
            refused = other.post("/generate", json=ask("x"))
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "draining"
        reader.join(20)
        assert "event: done" in got
        assert got.count("event: delta") == 6
        assert started.process.wait(10) == 0


def test_draining_has_a_limit() -> None:
    with (
        running_worker("--type", "echo", "--drain-timeout", "0.2") as started,
        httpx.stream("POST", f"{started.url}/generate", json=ask(LONG, rate=2)) as reply,
    ):
        lines = reply.iter_lines()
        while next(lines) != "event: delta":
            pass
        started.process.send_signal(signal.SIGTERM)
        assert '"finish_reason":"cancelled"' in "\n".join(lines)
        assert started.process.wait(10) == 0


def test_a_second_signal_does_not_wait() -> None:
    with (
        running_worker("--type", "echo") as started,
        httpx.stream("POST", f"{started.url}/generate", json=ask(LONG, rate=2)) as reply,
    ):
        lines = reply.iter_lines()
        while next(lines) != "event: delta":
            pass
        started.process.send_signal(signal.SIGTERM)
        eventually(lambda: answers(f"{started.url}/readyz", 503), "draining", 5)
        started.process.send_signal(signal.SIGTERM)
        assert started.process.wait(10) == 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--type", "ecko"], "Did you mean 'echo'?"),
        (["--pretrained_path", "/no/such/model"], "nothing at '/no/such/model'"),
        (["--type", "echo", "--dtype", "int3"], "'float32'"),
        (["--type", "echo", "--prot", "1"], "No such option: --prot"),
        (["--type", "echo", "--config", "none.yaml"], "Cannot read 'none.yaml'"),
        ([], "Which model?"),
    ],
)
def test_a_wrong_start_is_one_sentence_and_code_2(flags: list[str], words: str) -> None:
    command = [sys.executable, "-m", "server", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_told(worker: WorkerProcess) -> None:
    port = worker.url.rpartition(":")[2]
    command = [sys.executable, "-m", "server", "--type", "echo", "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"Port {port} is taken by " in done.stderr
    assert f"(process {worker.process.pid})" in done.stderr
    assert "--port" in done.stderr


def test_a_wrong_host_is_not_told_as_a_taken_port() -> None:
    command = [sys.executable, "-m", "server", "--type", "echo", "--host", "192.0.2.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Cannot listen on 192.0.2.1:8081" in done.stderr
    assert "taken" not in done.stderr


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_the_address_that_is_told_is_a_url() -> None:
    command = [sys.executable, "-m", "server", "--type=echo", "--port=0", "--host=::1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = process.stderr.readline().split()[-1]
        try:
            assert url.startswith("http://[::1]:")
            assert httpx.get(f"{url}/healthz", trust_env=False).json() == {"status": "ok"}
        finally:
            process.kill()


OPERATIONS = schemathesis.openapi.from_dict(
    create_app(EchoBot(), load_config({"type": "echo"}, env={})).openapi()
)


@OPERATIONS.parametrize()  # type: ignore[untyped-decorator]
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_documented_interface_is_the_real_one(
    case: schemathesis.Case, worker: WorkerProcess
) -> None:
    case.call_and_validate(
        base_url=worker.url, checks=[not_a_server_error, status_code_conformance]
    )
