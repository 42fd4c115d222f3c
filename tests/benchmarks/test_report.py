"""Writing sections of docs/benchmarks.md."""

from pathlib import Path

import pytest

from benchmarks.report import Watch, table, write_section

PAGE = "a\n<!-- one: begin -->\nold\n<!-- one: end -->\nb\n<!-- two: begin -->\n<!-- two: end -->\n"


def test_a_section_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    """Text outside the marks, and other sections, stay."""
    page = tmp_path / "page.md"
    page.write_text(PAGE, "utf-8")
    write_section("one", "new", page)
    assert page.read_text("utf-8") == PAGE.replace("old", "new")


def test_a_page_without_the_marks_is_not_touched(tmp_path: Path) -> None:
    """Without an end mark the rest of the page would be lost."""
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- one: begin -->\nb\n", "utf-8")
    with pytest.raises(ValueError, match="one: begin"):
        write_section("one", "new", page)
    assert page.read_text("utf-8") == "a\n<!-- one: begin -->\nb\n"


def test_a_table_has_a_line_below_its_head() -> None:
    """Markdown's form."""
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_the_load_of_the_machine_is_reported() -> None:
    """Load before, and cores taken meanwhile."""
    assert "cores meanwhile" in Watch().words()
