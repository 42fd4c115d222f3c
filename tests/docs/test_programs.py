"""The programs and requests of the pages, run against a worker process."""

import json
import shlex
from collections.abc import Iterator

import httpx
import pytest

from tests.docs.pages import blocks, read
from tests.support import running_worker

OURS = "http://127.0.0.1:8081"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The URL of a worker that replaces the one in the pages."""
    with running_worker("--type", "echo") as worker:
        yield worker.url


@pytest.mark.parametrize("path", ["README.md", "docs/protocol.md"])
def test_the_openai_client(path: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    [program] = blocks(read(path), "python")
    assert OURS in program.text
    exec(compile(program.text.replace(OURS, url), path, "exec"), {})
    assert capsys.readouterr().out == "Hello"


def test_curl(url: str) -> None:
    [command] = [one.text for one in blocks(read("README.md"), "bash") if "curl" in one.text]
    words = shlex.split(command.replace("\\\n", " "))
    assert f"{OURS}/generate" in words
    name, value = words[words.index("-H") + 1].split(": ")
    body = words[words.index("-d") + 1]
    answer = httpx.post(f"{url}/generate", content=body, headers={name: value}, trust_env=False)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "event: done" in answer.text


def test_bodies_of_the_protocol(url: str) -> None:
    section = read("docs/protocol.md").partition("## 8.")[2].partition("## 9.")[0]
    bodies = [json.loads(one.text) for one in blocks(section, "json")]
    assert len(bodies) == 4
    for body in bodies:
        answer = httpx.post(url, json=body, trust_env=False)
        assert answer.status_code == 200, answer.text
        assert answer.json()["response"] in ("Hello", "How are you?")
