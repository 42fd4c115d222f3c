"""docs/benchmarks.md: figures of its summary, and marks between which commands write."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, read

PAGE = read("docs/benchmarks.md")
SUMMARY, DETAILS = PAGE.partition("\n## Decoding")[::2]
_NUMBER = re.compile(r"\d[\d.,]*\d|\d")


def summary_rows() -> list[list[str]]:
    """The cells of the rows of the summary."""
    _, _, *rows = [line for line in SUMMARY.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_figures_of_the_summary_are_those_of_the_sections() -> None:
    """A new run that changes a section needs a new summary."""
    known = set(_NUMBER.findall(DETAILS))
    assert len(summary_rows()) > 10
    for what, ours, _, theirs, ratio in summary_rows():
        figures = {number for cell in (ours, theirs, ratio) for number in _NUMBER.findall(cell)}
        assert figures <= known, what


def written_sections() -> list[str]:
    """The names of sections that the benchmarks write."""
    sources = [path.read_text("utf-8") for path in (ROOT / "benchmarks").glob("*.py")]
    return sorted(name for text in sources for name in re.findall(r'write_section\("(\w+)"', text))


@pytest.mark.parametrize("name", written_sections())
def test_each_written_section_has_its_marks(name: str) -> None:
    assert re.search(rf"<!-- {name}: begin -->\n.*?\n<!-- {name}: end -->", PAGE, re.DOTALL)


def test_every_pair_of_marks_is_written_by_a_benchmark() -> None:
    assert sorted(re.findall(r"<!-- (\w+): begin -->", PAGE)) == written_sections()


def test_each_named_benchmark_is_a_module() -> None:
    for name in re.findall(r"\bbenchmarks\.(\w+)", PAGE):
        assert Path(ROOT, "benchmarks", f"{name}.py").is_file() or name == "md", name
