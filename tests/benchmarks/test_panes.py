"""The report of the panes' benchmark."""

from benchmarks.panes import report


def test_the_spread_of_each_prompt_is_between_the_first_and_the_last() -> None:
    seen = [
        {"called": [3.0, 1.0, 2.0], "answers": ["10.000", "10.004", "10.002"]},
        {"called": [5.0, 1.0, 2.0], "answers": ["11.000", "11.008", "11.002"]},
        {"called": [7.0, 1.0, 2.0], "answers": ["12.000", "12.006", "12.002"]},
    ]
    text = report(seen, 3, "a quiet machine")
    assert "3 prompts to 3 panes; a quiet machine." in text
    assert "| the page calls `fetch` | 4.0 |" in text
    assert "| the workers begin | 6.0 |" in text
