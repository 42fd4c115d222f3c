"""`chatzoo serve` passes its flags on; `chatzoo openapi` prints a document."""

import json
from pathlib import Path

import pytest

from server.worker.config import WorkerConfig
from tests.server.cli.conftest import run


def test_flags_and_file_become_the_config_of_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[WorkerConfig] = []
    monkeypatch.setattr("server.cli.serve.run_worker", served.append)
    monkeypatch.setenv("CHATZOO_MAX_QUEUE", "3")
    file = tmp_path / "worker.yaml"
    file.write_text("type: echo\nmax-queue: 1\nmax-messages: 2\n")
    assert run("serve", "--config", str(file), "--port", "0", "--merge_adapter") == 0
    (config,) = served
    assert (config.type, config.max_queue, config.max_messages) == ("echo", 3, 2)
    assert (config.port, config.merge_adapter, config.trust_remote_code) == (0, True, False)


def test_the_openapi_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("openapi") == 0
    assert "/generate" in json.loads(capsys.readouterr().out)["paths"]
