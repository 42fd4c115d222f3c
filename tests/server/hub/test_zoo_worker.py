"""The command line and the environment of a worker of a zoo."""

from pathlib import Path
from typing import Any

import pytest

from server.hub.zoo_worker import ZooWorker
from server.worker.config import parse_config
from tests.server.hub.test_zoo import read


def worker(env: dict[str, str] | None = None, **options: Any) -> ZooWorker:
    config = parse_config({"type": "echo", **options})
    return ZooWorker("One", config, frozenset({"type", *options}), 2, env or {})


def words(one: ZooWorker, flag: str) -> list[str]:
    """The values of a flag."""
    arguments = one.arguments()
    return [arguments[i + 1] for i, word in enumerate(arguments) if word == flag]


def test_what_the_hub_decides_is_always_given() -> None:
    one = worker()
    assert (words(one, "--host"), words(one, "--port")) == (["127.0.0.1"], ["8081"])
    assert (words(one, "--name"), words(one, "--threads")) == (["One"], ["2"])
    assert words(one, "--drain-timeout") == ["30"]
    assert len(words(one, "--allow-origin")) == 2
    assert "--exit-on-stdin-eof" in one.arguments()
    assert words(one, "--max-queue") == []


def test_what_the_entry_has_is_given() -> None:
    one = worker(max_queue=5, trust_remote_code=False, merge_adapter=True, revision=None)
    assert words(one, "--max-queue") == ["5"]
    assert "--no-trust-remote-code" in one.arguments()
    assert "--merge-adapter" in one.arguments()
    assert words(one, "--revision") == []


def test_lists_repeat_their_flag() -> None:
    assert words(worker(allow_host=["a", "b"]), "--allow-host") == ["a", "b"]


def test_programs_on_this_machine_use_loopback() -> None:
    assert worker(host="0.0.0.0", port=9000).url == "http://127.0.0.1:9000"


def test_lines_come_at_once_and_are_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHATZOO_LOG_FORMAT", raising=False)
    environment = worker().environment()
    assert environment["PYTHONUNBUFFERED"] == "1"
    assert environment["CHATZOO_LOG_FORMAT"] == "console"
    assert environment["OMP_NUM_THREADS"] == "2"
    assert worker({"CHATZOO_LOG_FORMAT": "json"}).environment()["CHATZOO_LOG_FORMAT"] == "json"


def test_the_key_goes_through_the_environment(tmp_path: Path) -> None:
    worker = read(tmp_path, "workers: [{type: echo, api-key: s3cret}]").workers[0]
    assert worker.environment()["CHATZOO_API_KEY"] == "s3cret"
    assert not any("s3cret" in word for word in worker.arguments())
    assert "s3cret" not in repr(worker)


def test_variables_that_select_a_model_are_not_inherited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = ["TYPE", "BOT", "PRETRAINED_PATH", "TOKENIZER_PATH", "BASE_MODEL", "NAME", "REVISION"]
    for name in (*chosen, "MAX_QUEUE"):
        monkeypatch.setenv(f"CHATZOO_{name}", "5")
    text = """
    workers:
      - {type: echo, name: a}
      - {type: echo, name: b, env: {CHATZOO_REVISION: main}}
    """
    a, b = (worker.environment() for worker in read(tmp_path, text).workers)
    assert not any(f"CHATZOO_{name}" in a for name in chosen)
    assert a["CHATZOO_MAX_QUEUE"] == "5"
    assert a["PATH"]
    assert b == a | {"CHATZOO_REVISION": "main"}
