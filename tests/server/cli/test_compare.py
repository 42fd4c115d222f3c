"""`chatzoo compare` against real workers."""

import json
from typing import Any

import pytest

from bots.errors import ConfigError
from server.cli.compare import compare_workers
from tests.server.cli.conftest import plain, printed, terminal


def test_side_by_side(open_worker: str) -> None:
    console = terminal()
    code = compare_workers(
        [open_worker, open_worker], "hello there", settings={"rate": 50}, console=console
    )
    assert code == 0
    final = printed(console).splitlines()
    assert any(line.count("hello there") == 2 for line in final)
    assert any(line.count("Open") == 2 for line in final)
    assert any(line.count("│ 2 tokens ·") == 2 for line in final)


def test_plain_text_where_there_is_no_terminal(open_worker: str) -> None:
    console = plain()
    assert compare_workers([open_worker, "127.0.0.1:9"], "hi", settings={}, console=console) == 1
    text = printed(console)
    assert text.startswith("## Open\nhi\n")
    assert "## http://127.0.0.1:9\n" in text
    assert "cannot be reached" in text


def test_json(workers: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert compare_workers(workers, "a b", settings={"repeat": 2}, as_json=True, api_key=None) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["prompt"] == "a b"
    assert found["settings"] == {"repeat": 2}
    answered, refused = found["answers"]
    assert answered["worker"] == workers[0]
    assert answered["name"] == "Open"
    assert answered["text"] == "a ba b"
    assert answered["finish_reason"] == "stop"
    assert answered["usage"]["completion_tokens"] == 4
    assert answered["timings"]["total_ms"] >= 0
    assert answered["error"] is None
    assert refused["error"]["code"] == "invalid_api_key"


def test_a_failing_answer_keeps_its_text(
    open_worker: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = compare_workers([open_worker], "one two three", settings={"fail_after": 2}, as_json=True)
    assert code == 1
    (answer,) = json.loads(capsys.readouterr().out)["answers"]
    assert answer["text"] == "one two"
    assert answer["error"]["message"]


def test_a_setting_that_no_worker_has(open_worker: str) -> None:
    with pytest.raises(ConfigError, match="No worker has the setting 'warmth'"):
        compare_workers([open_worker], "hi", settings={"warmth": 1}, console=plain())


def test_bytes_that_are_no_text_are_replaced(
    open_worker: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python reads them from the command line as surrogates."""
    console = plain()
    how: dict[str, Any] = {"system": "\udcff", "settings": {}}
    assert compare_workers([open_worker], "a\udcffb", console=console, **how) == 0
    assert printed(console).startswith("## Open\na?b\n")
    assert compare_workers([open_worker], "a\udcffb", as_json=True, **how) == 0
    assert json.loads(capsys.readouterr().out)["system"] == "?"
