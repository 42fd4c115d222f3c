"""Progress of commands, and Ctrl-C."""

import pytest
import typer

from server.cli.progress import show_progress


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
