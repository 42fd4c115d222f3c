"""Text of others in a terminal: control characters, figures, errors."""

import pytest
from rich.text import Text

from server.cli.terminal_text import error_markup, replace_surrogates, show_controls, summary
from server.client.worker import Answer, WorkerError
from server.worker.schema import TimingsBody, UsageBody


def test_control_characters_are_visible() -> None:
    shown = show_controls("\x1b]0;title\x07 \x7f \x9b2J\ttab\n模型")
    assert shown == "␛]0;title␇ ␡ \ufffd2J\ttab\n模型"


def test_bytes_that_are_no_text_are_question_marks() -> None:
    assert replace_surrogates("a\udcffb 猫") == "a?b 猫"


@pytest.mark.parametrize(
    ("tokens", "finish_reason", "shown"),
    [
        (1, "stop", "1 token · 31.2 tokens/s · first after 0.12 s · 1.4 s"),
        (42, "length", "42 tokens · 31.2 tokens/s · first after 0.12 s · 1.4 s · length"),
    ],
)
def test_figures_of_an_answer(tokens: int, finish_reason: str, shown: str) -> None:
    usage = UsageBody(prompt_tokens=3, completion_tokens=tokens, cached_tokens=0)
    timings = TimingsBody(queue_ms=0, ttft_ms=120, total_ms=1400, tokens_per_second=31.24)
    assert summary(Answer(usage=usage, timings=timings, finish_reason=finish_reason)) == shown


def test_only_known_figures_are_shown() -> None:
    assert summary(Answer()) == ""
    timings = TimingsBody(queue_ms=0, ttft_ms=None, total_ms=100, tokens_per_second=None)
    assert summary(Answer(timings=timings)) == "0.1 s"


def test_an_error_is_harmless() -> None:
    text = Text.from_markup(error_markup(WorkerError("[bold]\x1b[2J", "code")))
    assert text.plain == "[bold]␛[2J"
