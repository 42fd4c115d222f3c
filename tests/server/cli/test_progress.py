"""Progress of commands: lines without a terminal, and Ctrl-C."""

import pytest
import typer

from server.cli.progress import show_progress
from server.worker.process import LoadProgress
from server.worker.schema import ProgressBody


def test_progress_without_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line each tenth, or each half minute; quick work is a line a stage."""
    clock = 0.0
    monkeypatch.setattr("server.worker.process.time.monotonic", lambda: clock)
    show = LoadProgress("converting")
    for step in range(101):  # quick
        show(ProgressBody(stage="checking", fraction=step / 100))
        clock += 0.001
    for step in range(101):  # two seconds a hundredth
        show(ProgressBody(stage="writing", fraction=step / 100))
        clock += 2
    for step in range(3):  # a minute a hundredth
        show(ProgressBody(stage="quantising", fraction=step / 100))
        clock += 60
    show(None)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == [
        "converting: checking",
        "converting: writing",
        "converting: writing, 10%, 0:03:00 left",
    ]
    assert lines[11:] == [
        "converting: writing, 100%, 0:00:00 left",
        "converting: quantising",
        "converting: quantising, 1%, 1:39:00 left",
        "converting: quantising, 2%, 1:38:00 left",
    ]


def test_progress_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("adding") as progress:
        progress("weights", None)
    assert capsys.readouterr().err == "adding: weights\n"


@pytest.mark.parametrize("sentence", ["Run it again.", ""])
def test_ctrl_c_is_exit_code_130(sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left, show_progress("adding"):
        raise KeyboardInterrupt(*[sentence] * bool(sentence))
    assert left.value.exit_code == 130
    assert capsys.readouterr().err == f"{sentence or 'Stopped.'}\n"
