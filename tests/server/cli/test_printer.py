"""An answer is printed while it grows."""

from server.cli.printer import AnswerPrinter
from server.client.worker import Answer
from tests.server.cli.conftest import plain, printed, terminal


def test_an_answer_that_is_rewritten_is_printed_again() -> None:
    console, answer = plain(), Answer()
    printer = AnswerPrinter(console)
    for answer.reasoning, answer.text in [
        ("hm", ""),
        ("hm", "The c"),
        ("hm", "The cat"),
        ("hm", "A cat"),
    ]:
        printer.show(answer)
    printer.finish()
    assert printed(console) == (
        "hm\n\nThe cat\n(the answer was rewritten; all of it again:)\nA cat\n"
    )


def test_what_a_model_writes_does_not_command_the_terminal() -> None:
    console = terminal()
    printer = AnswerPrinter(console)
    printer.show(Answer(text="[bold]:cat: \x1b]0;title\x07 \x9b2J\ttab"))
    assert printed(console) == "[bold]:cat: ␛]0;title␇ \ufffd2J\ttab"


def test_a_terminal_shows_the_place_in_the_queue_once() -> None:
    console = terminal()
    printer = AnswerPrinter(console)
    for place in (2, 2, 1, None):
        printer.show(Answer(place=place))
    assert printed(console).splitlines() == [
        "waiting, place 2 in the queue",
        "waiting, place 1 in the queue",
    ]
