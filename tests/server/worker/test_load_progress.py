"""The lines that loading prints where there is no terminal."""

import pytest

from server.worker.load_progress import LoadProgress
from server.worker.schema import ProgressBody


def test_progress_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A line each tenth, or each half minute; quick work is a line a stage."""
    clock = 0.0
    show = LoadProgress("converting", clock=lambda: clock)
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
