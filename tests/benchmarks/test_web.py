"""The benchmark of the page: what it says of what was seen, and that it sees a small run."""

import pytest

from benchmarks.web import Run, Seen, markdown, p95, report, watch_page
from bots.echo_bot import pieces
from tests.e2e.conftest import built_page


def test_a_line_has_medians_and_what_memory_is_left() -> None:
    runs = [
        Run(behind=0.1, task=60, keys=[16.0] * 19 + [40.0], heap=6.0),
        Run(behind=0.3, task=90, keys=[24.0] * 20, heap=5.5),
        Run(behind=0.2, task=0, keys=[32.0], heap=5.25),
    ]
    text = report({8: Seen(5.0, runs)}, 2000, "a quiet machine")
    assert "2000 tokens of Markdown at 200 a second to each pane; medians of 3 runs" in text
    line = "| 8 | 0.20 (0.10–0.30) | 60 (0–90) | 24 (16–32) | 5.0 | 6.0 | 5.2 | +5 % |"
    assert line in text


def test_p95_leaves_out_one_in_twenty() -> None:
    assert p95([1.0] * 19 + [9.0]) == 1.0
    assert p95([1.0] * 18 + [9.0] * 2) == 9.0
    assert p95([7.0]) == 7.0


def test_the_prompt_is_as_long_as_it_is_to_be_and_repeats_nothing() -> None:
    text = markdown(2000)
    assert len(pieces(text)) == 2000
    for mark in ("```python", "| animal", "狐狸", "$$", "1. measure"):
        assert mark in text
    blocks = [block for block in text.split("\n\n") if "$$" in block or "狐狸奔跑" in block]
    assert len(set(blocks)) == len(blocks) > 4


@pytest.mark.browser
def test_a_small_run() -> None:
    built_page()
    seen = watch_page(panes=2, tokens=60, runs=1)
    [run] = seen.runs
    assert seen.start > 0
    assert run.heap > 0
    assert run.keys
    assert min(run.keys) >= 16
