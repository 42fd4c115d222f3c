"""`chatzoo quantize`: its report, and Ctrl-C. What it writes is tested with `bots.commands`."""

import io
import math
from pathlib import Path

import pytest
from rich.console import Console

from bots.commands.perplexity import QUESTIONS, Measured
from bots.commands.quantize import CheckpointReport, Comparison
from server.cli.quantize import print_report
from tests.server.cli.conftest import run


def test_a_quantised_model_beside_its_original() -> None:
    """An infinite perplexity is shown, and that the run could not have been resumed."""
    answers = tuple("yes" for _ in QUESTIONS)
    before = CheckpointReport(2_000_000, Measured(7.5, 100, answers))
    after = CheckpointReport(1_000_000, Measured(math.inf, 100, answers))
    console = Console(file=io.StringIO(), width=100)
    print_report(Comparison(9.0, before, after, "the files are links"), console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "7.500" in shown
    assert "inf" in shown
    assert "An interrupted run could not be resumed: the files are links." in shown


@pytest.mark.parametrize("sentence", ["Run the same command again to go on.", ""])
def test_ctrl_c(
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt(*[sentence] * bool(sentence))

    monkeypatch.setattr("server.cli.quantize.quantization.quantize", stopped)
    out = str(tmp_path / "out")
    assert run("quantize", "./model", "--calibration", "text.txt", "--out", out) == 130
    assert capsys.readouterr().err == f"{sentence or 'Stopped.'}\n"
