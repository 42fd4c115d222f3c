"""`chatzoo up` reads a zoo file and runs it. The hub itself is tested in tests/server/hub."""

from pathlib import Path

import pytest

from server.hub.console import HubConsole
from server.hub.zoo import Zoo
from tests.server.cli.conftest import run


def test_flags_win_over_the_zoo_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Zoo] = []

    def start(zoo: Zoo, console: HubConsole) -> None:
        started.append(zoo)

    monkeypatch.setattr("server.cli.up.run_hub", start)
    monkeypatch.setattr("server.cli.up.logs.configure", lambda level, style: None)
    path = tmp_path / "zoo.yaml"
    path.write_text("port: 8090\nworkers: [{type: echo}]\n")
    assert run("up", str(path), "--host", "0.0.0.0") == 0
    (zoo,) = started
    assert (zoo.host, zoo.port, len(zoo.workers)) == ("0.0.0.0", 8090, 1)


def test_a_wrong_zoo_file_is_one_sentence_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "zoo.yaml"
    path.write_text("prot: 8080")
    assert run("up", str(path)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"Error: {path}: There is no option 'prot'.\n"
