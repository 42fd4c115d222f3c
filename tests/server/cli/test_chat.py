"""`chatzoo chat` against real workers."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from bots.errors import ConfigError
from server.cli.chat import converse
from tests.server.cli.conftest import plain, printed, terminal
from tests.support import eventually

ROOT = Path(__file__).parents[3]
CHATZOO = [sys.executable, "-c", "from server.cli.main import main; main()"]


def lines(*given: str) -> Callable[[str], str]:
    left = iter(given)

    def read(_: str) -> str:
        try:
            return next(left)
        except StopIteration:
            raise EOFError from None

    return read


def talk(url: str, *given: str, console: Console | None = None, **how: Any) -> tuple[int, str]:
    console = console or plain()
    how = {"api_key": None, "system": None, "settings": {}} | how
    code = converse(url, console=console, read=lines(*given), **how)
    return code, printed(console)


def test_a_conversation(open_worker: str) -> None:
    code, text = talk(open_worker, "hello there", "", "clear", "你好", "stop", "never sent")
    assert code == 0
    assert text == "hello there\n你好\n"


def test_settings_are_sent(open_worker: str) -> None:
    assert talk(open_worker, "ha", settings={"repeat": 3}) == (0, "hahaha\n")


def test_a_setting_that_is_not_there(open_worker: str) -> None:
    with pytest.raises(ConfigError, match="Open has no setting 'warmth'"):
        talk(open_worker, "hello", settings={"warmth": 1})


def test_an_error_is_printed_and_the_conversation_goes_on(open_worker: str) -> None:
    code, text = talk(open_worker, "one two three", "hi", settings={"fail_after": 2})
    assert code == 0
    assert text.startswith("one two\n")
    assert text.endswith("hi\n")
    assert len(text.splitlines()) == 3


def test_the_key(workers: tuple[str, str]) -> None:
    assert talk(workers[1], "hello", api_key="s3cret") == (0, "hello\n")
    code, text = talk(workers[1], "hello")
    assert code == 1
    assert "API key" in text


def test_a_worker_that_does_not_run() -> None:
    code, text = talk("127.0.0.1:9", "hello")
    assert code == 1
    assert "cannot be reached" in text
    with pytest.raises(ConfigError, match="begins with http"):
        talk("ftp://worker", "hello")


def running(url: str) -> float:
    text = httpx.get(f"{url}/metrics", trust_env=False).text
    line = next(x for x in text.splitlines() if x.startswith("chatzoo_num_requests_running "))
    return float(line.split()[1])


def test_ctrl_c_stops_the_answer_and_no_more(open_worker: str) -> None:
    """In a process of its own: a signal belongs to the whole process."""
    process = subprocess.Popen(
        [*CHATZOO, "chat", open_worker, "--set", "rate=20"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell starts what it runs in the background with Ctrl-C ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    output: list[str] = []
    pipe = process.stdout
    reader = threading.Thread(target=lambda: output.extend(iter(lambda: pipe.read(1), "")))
    reader.start()
    try:
        process.stdin.write("word " * 500 + "\n")
        process.stdin.flush()
        eventually(lambda: "word word" in "".join(output), "an answer that runs")
        process.send_signal(signal.SIGINT)
        eventually(lambda: "stopped" in "".join(output), "its stop")
        eventually(lambda: running(open_worker) == 0, "an idle worker", 5)
        process.stdin.write("once more\n")
        process.stdin.close()
        assert process.wait(30) == 0
        reader.join(30)
    finally:
        process.kill()
        process.wait()
        pipe.close()
    assert "".join(output).endswith("stopped\nonce more\n")


def test_a_terminal_shows_the_figures_and_no_control_characters(open_worker: str) -> None:
    _, text = talk(open_worker, "a\x1b[2J b", console=terminal())
    assert text.startswith("a␛[2J b\n2 tokens · ")


def test_bytes_that_are_no_text_are_replaced(open_worker: str) -> None:
    """In a process of its own: they come by its arguments and its input."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CHATZOO_")}
    done = subprocess.run(
        [*CHATZOO, "chat", open_worker, "--system", b"\xff"],
        cwd=ROOT,
        env=environment | {"PYTHONIOENCODING": "utf-8"},
        input=b"a\xffb\n",
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() in ("a?b\n", "a\ufffdb\n")
