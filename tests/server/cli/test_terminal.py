"""The terminal commands against real workers: echo bots in processes of their own."""

import io
import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from bots.commands.perplexity import QUESTIONS, Measured
from bots.commands.quantize import CheckpointReport, Comparison
from bots.errors import ConfigError
from server.cli import listing, quantize_report
from server.cli.chat import Printer, chat
from server.cli.compare import compare
from server.cli.settings import parse_settings
from server.client.worker import Answer
from tests.support import eventually, running_worker

ROOT = Path(__file__).parents[3]
CHATZOO = [sys.executable, "-c", "from server.cli.main import main; main()"]


@pytest.fixture(scope="module")
def workers() -> Iterator[tuple[str, str]]:
    """An open worker and one that wants the key `s3cret`."""
    with (
        running_worker("--type=echo", "--name=Open") as first,
        running_worker("--type=echo", "--name=Locked", "--api-key=s3cret") as second,
    ):
        yield first.url, second.url


@pytest.fixture
def open_worker(workers: tuple[str, str]) -> str:
    return workers[0]


def plain() -> Console:
    return Console(file=io.StringIO(), force_terminal=False, width=100)


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, height=30, color_system=None)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


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
    code = chat(url, console=console, read=lines(*given), **how)
    return code, printed(console)


# -- chat ------------------------------------------------------------------------------------------


def test_a_conversation(open_worker: str) -> None:
    code, text = talk(open_worker, "hello there", "", "clear", "你好", "stop", "never sent")
    assert code == 0
    assert text == "hello there\n你好\n"


def test_settings_are_sent(open_worker: str) -> None:
    assert talk(open_worker, "ha", settings={"repeat": 3}) == (0, "hahaha\n")


def test_a_setting_that_is_not_there(open_worker: str) -> None:
    with pytest.raises(ConfigError, match="Open has no setting 'warmth'"):
        talk(open_worker, "hello", settings={"warmth": 1})


def test_an_error_is_told_and_the_conversation_goes_on(open_worker: str) -> None:
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


def test_nobody_there() -> None:
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


def test_an_answer_that_changes_is_printed_anew() -> None:
    console, answer = plain(), Answer()
    printer = Printer(console)
    for answer.reasoning, answer.text in [
        ("hm", ""),
        ("hm", "The c"),
        ("hm", "The cat"),
        ("hm", "A cat"),
    ]:
        printer.show(answer)
    printer.finish()
    assert printed(console) == ("hm\n\nThe cat\n(changed, so here is all of it again)\nA cat\n")


def test_what_a_model_writes_does_not_command_the_terminal() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, emoji=False)
    printer = Printer(console)
    printer.show(Answer(text="[bold]:cat: \x1b]0;title\x07 \x9b2J\ttab"))
    assert printed(console) == "[bold]:cat: ␛]0;title␇ \ufffd2J\ttab"


# -- compare ---------------------------------------------------------------------------------------


def test_side_by_side(open_worker: str) -> None:
    console = terminal()
    code = compare(
        [open_worker, open_worker], "hello there", settings={"rate": 50}, console=console
    )
    assert code == 0
    final = printed(console).splitlines()
    assert any(line.count("hello there") == 2 for line in final)
    assert any(line.count("Open") == 2 for line in final)
    assert any(line.count("│ 2 tokens ·") == 2 for line in final)


def test_plain_text_where_there_is_no_terminal(open_worker: str) -> None:
    console = plain()
    assert compare([open_worker, "127.0.0.1:9"], "hi", settings={}, console=console) == 1
    text = printed(console)
    assert text.startswith("## Open\nhi\n")
    assert "## http://127.0.0.1:9\n" in text
    assert "cannot be reached" in text


def test_json(workers: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(workers, "a b", settings={"repeat": 2}, as_json=True, api_key=None) == 1
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
    code = compare([open_worker], "one two three", settings={"fail_after": 2}, as_json=True)
    assert code == 1
    (answer,) = json.loads(capsys.readouterr().out)["answers"]
    assert answer["text"] == "one two"
    assert answer["error"]["message"]


def test_a_setting_that_no_worker_has(open_worker: str) -> None:
    with pytest.raises(ConfigError, match="No worker has the setting 'warmth'"):
        compare([open_worker], "hi", settings={"warmth": 1}, console=plain())


# -- what comes from a command line ----------------------------------------------------------------


def command(*words: str | bytes, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """`chatzoo` with these words, and `given` as its input."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CHATZOO_")}
    return subprocess.run(
        [*CHATZOO, *words],
        cwd=ROOT,
        env=environment | {"PYTHONIOENCODING": "utf-8"},
        input=given,
        capture_output=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["compare", "hi", "--worker", "http://☃☃-.com"], "☃☃-.com"),
        (["compare", "hi", "--worker", "127.0.0.1:9", "--api-key", "schlüssel"], "API key"),
        (["chat", "http://☃☃-.com"], "☃☃-.com"),
        (["chat", "127.0.0.1:9", "--api-key", "sch\nlüssel"], "API key"),
        (["chat", b"http://\xff"], "no URL has"),
    ],
)
def test_what_cannot_be_sent_is_one_sentence_and_code_2(
    words: list[str | bytes], told: str
) -> None:
    done = command(*words)
    (sentence,) = done.stderr.decode().splitlines()
    assert done.returncode == 2
    assert sentence.startswith("Error: ")
    assert told in sentence
    assert "lüssel" not in sentence


def test_bytes_that_are_no_text_are_replaced(open_worker: str) -> None:
    asked = command("compare", b"a\xffb", "--worker", open_worker, "--system", b"\xff")
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.startswith(b"## Open\na?b\n")
    as_json = command("compare", b"a\xffb", "--worker", open_worker, "--system", b"\xff", "--json")
    assert as_json.returncode == 0, as_json.stderr
    assert json.loads(as_json.stdout)["system"] == "?"
    talked = command("chat", open_worker, "--system", b"\xff", given=b"a\xffb\n")
    assert talked.returncode == 0, talked.stderr
    assert talked.stdout.decode() in ("a?b\n", "a\ufffdb\n")


# -- list, and the flags ---------------------------------------------------------------------------


def test_families(capsys: pytest.CaptureFixture[str]) -> None:
    listing.show(as_json=True)
    found = {row["name"]: row for row in json.loads(capsys.readouterr().out)["families"]}
    assert found["echo"]["class"] == "bots.backends.echo:EchoBot"
    assert "builtin:smollm2" in found["auto"]["ids"]
    assert found["godel"]["about"] == "GODEL: T5, grounded in an instruction and in knowledge."
    assert all(row["about"] for row in found.values() if row["class"].startswith("bots."))
    console = plain()
    listing.show(as_json=False, console=console)
    shown = printed(console)
    assert all(one in shown for row in found.values() for one in row["ids"]), "none is cut short"


def test_a_family_of_another_package_is_named_by_its_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its module is not looked for, which may run code."""
    monkeypatch.setattr(listing, "known_bots", lambda: {"other": "no_such.module:Bot"})
    console = plain()
    listing.show(as_json=False, console=console)
    assert "no_such.module:Bot" in printed(console)


def test_settings_are_read_as_yaml() -> None:
    assert parse_settings(["temperature=0.2", "stop=[a, b]", "top-k=3", "x=a=b", "y="]) == {
        "temperature": 0.2,
        "stop": ["a", "b"],
        "top_k": 3,
        "x": "a=b",
        "y": None,
    }
    assert parse_settings(["stop=a\udcff"]) == {"stop": "a?"}
    for wrong in ("temperature", "=1"):
        with pytest.raises(ConfigError, match="name=value"):
            parse_settings([wrong])


def test_a_quantised_model_beside_its_original() -> None:
    """An infinite perplexity is shown, and that work could not have gone on."""
    answers = tuple("yes" for _ in QUESTIONS)
    before = CheckpointReport(2_000_000, Measured(7.5, 100, answers))
    after = CheckpointReport(1_000_000, Measured(math.inf, 100, answers))
    console = Console(file=io.StringIO(), width=100)
    quantize_report.show(Comparison(9.0, before, after, "the files are links"), console)
    assert isinstance(console.file, io.StringIO)
    told = console.file.getvalue()
    assert "7.500" in told
    assert "inf" in told
    assert "Interrupted, it would have begun anew: the files are links." in told
