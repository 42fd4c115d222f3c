"""The benchmark of the page: its report, and a small run."""

import pytest

from benchmarks.web import Memory, Run, Seen, markdown, memory_of, p95, report, watch_page
from bots.backends.echo import pieces
from tests.e2e.conftest import built_page


def test_a_row_has_medians_and_the_memory_left() -> None:
    runs = [
        Run(behind=0.1, task=60, keys=[16.0] * 19 + [40.0], memory=Memory(6.0, 2.5, 1.5)),
        Run(behind=0.3, task=90, keys=[24.0] * 20, memory=Memory(5.5, 2.5, 1.5)),
        Run(behind=0.2, task=0, keys=[32.0], memory=Memory(5.25, 2.5, 1.5)),
    ]
    text = report({8: Seen(Memory(5.0, 2.0, 1.0), runs)}, 2000, "a quiet machine")
    assert "2000 tokens of Markdown at 200 a second to each pane; medians of 3 runs" in text
    assert "| 8 | 0.20 (0.10–0.30) | 60 (0–90) | 24 (16–32) |" in text
    assert "| 5.00 → 5.25 | +5.0 % | 2.0 → 2.5 | 1.0 → 1.5 |" in text


def test_a_snapshot_separates_the_page_s_objects_from_the_browser_s() -> None:
    meta = {
        "node_fields": ["type", "name", "id", "self_size"],
        "node_types": [["hidden", "code", "native"], "string", "number", "number"],
    }
    kinds_and_bytes = [(1, 2_000_000), (2, 3_000_000), (0, 500_000), (1, 1_000_000)]
    nodes = [field for kind, size in kinds_and_bytes for field in (kind, 0, 0, size)]
    found = memory_of({"snapshot": {"meta": meta}, "nodes": nodes})
    assert found == Memory(objects=0.5, document=3.0, code=3.0)


def test_p95_leaves_out_one_in_twenty() -> None:
    assert p95([1.0] * 19 + [9.0]) == 1.0
    assert p95([1.0] * 18 + [9.0] * 2) == 9.0
    assert p95([7.0]) == 7.0


def test_the_prompt_has_the_requested_length_and_repeats_nothing() -> None:
    text = markdown(2000)
    assert len(pieces(text)) == 2000
    for mark in ("```python", "| animal", "狐狸", "$$", "1. measure"):
        assert mark in text
    blocks = [block for block in text.split("\n\n") if "$$" in block or "狐狸奔跑" in block]
    assert len(set(blocks)) == len(blocks) > 4


@pytest.mark.browser
def test_a_small_run() -> None:
    built_page()
    seen = watch_page(panes=1, tokens=40, runs=1)
    [run] = seen.runs
    for memory in (seen.start, run.memory):
        assert min(memory.objects, memory.document, memory.code) > 0.5
    assert run.keys
    assert min(run.keys) >= 16
