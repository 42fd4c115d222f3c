"""How the panes of a comparison look."""

from typing import cast

from server.cli.panes import Pane, columns
from server.client.worker import Answer, WorkerClient, WorkerError
from tests.server.cli.conftest import printed, terminal


def pane(name: str = "Mine", **parts: object) -> Pane:
    return Pane(cast("WorkerClient", None), name, **parts)  # type: ignore[arg-type]


def drawn(*panes: Pane, tail: bool = False) -> str:
    console = terminal()
    console.print(columns(panes, console, tail=tail))
    return printed(console)


def test_while_an_answer_grows_its_last_lines_are_shown() -> None:
    text = "\n".join(f"line {number}" for number in range(50))
    shown = drawn(pane(answer=Answer(text=text)), tail=True)
    assert len(shown.splitlines()) <= terminal().height
    assert "line 49" in shown
    assert "line 0 " not in shown
    assert "line 0 " in drawn(pane(answer=Answer(text=text)))


def test_the_line_below_an_answer() -> None:
    assert "waiting, place 3" in drawn(pane(answer=Answer(place=3)))
    assert "refused" in drawn(pane(error=WorkerError("refused")))
    assert "… · without warmth" in drawn(pane(left_out=["warmth"]))


def test_names_and_texts_are_no_markup_and_no_commands() -> None:
    shown = drawn(pane("[bold]", answer=Answer(text="[red]\x1b[2J", reasoning="hm")))
    assert "[bold]" in shown
    assert "[red]␛[2J" in shown
    assert "hm" in shown
