"""Files, folders and modules that the pages name, compared with the tree."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, ROOT, prose, read

TOPS = ("bots", "server", "webui", "configs", "benchmarks", "tests", "scripts", "docs")
ABSENT = {"server/hub/page/", "bots/families/markov.py"}
"""Written by the build, or by the reader of the tutorial."""
EXAMPLES = {"my_bot.py", "file.py"}
CHECKED = [path for path in PAGES if path.name != "CHANGELOG.md"]
"""A changelog may name what is gone."""

_CODE = re.compile(r"`([^`\n]+)`")
_FILE = re.compile(r"[\w-]+\.(?:py|ts|vue)")
_MODULE = re.compile(r"(?:bots|server)(?:\.\w+)+")


def code_of(path: Path) -> set[str]:
    """The texts in backticks of a page, its code blocks left out."""
    return set(_CODE.findall(prose(path.read_text("utf-8"))))


def named_paths(path: Path) -> set[str]:
    """The paths below one of TOPS that a page names; a `:Class` or `::test` is cut off."""
    plain = {text.partition(":")[0] for text in code_of(path)}
    return {
        text
        for text in plain
        if text.startswith(tuple(f"{top}/" for top in TOPS)) and re.fullmatch(r"[\w./-]+", text)
    } - ABSENT


def module_exists(name: str) -> bool:
    """Whether a dotted name is a module, or a name that a module may define."""
    parts = name.split(".")
    for end in (len(parts), len(parts) - 1):
        file = ROOT.joinpath(*parts[:end])
        if file.with_suffix(".py").is_file():
            return True
        if file.is_dir():
            return end == len(parts) or defines(file / "__init__.py", parts[-1])
    return False


def defines(file: Path, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", file.read_text("utf-8")) is not None


FILES = {
    path.name
    for top in TOPS
    for path in (ROOT / top).rglob("*")
    if path.suffix in (".py", ".ts", ".vue") and "node_modules" not in path.parts
} | {path.name for path in ROOT.glob("*.py")}


@pytest.mark.parametrize("path", CHECKED, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_files_and_folders_exist(path: Path) -> None:
    missing = {name for name in named_paths(path) if not (ROOT / name).exists()}
    assert not missing


@pytest.mark.parametrize("path", CHECKED, ids=lambda path: str(path.relative_to(ROOT)))
def test_bare_file_names_are_those_of_files(path: Path) -> None:
    bare = {text for text in code_of(path) if _FILE.fullmatch(text)}
    assert bare - EXAMPLES <= FILES


@pytest.mark.parametrize("path", CHECKED, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_modules_exist(path: Path) -> None:
    names = {text for text in code_of(path) if _MODULE.fullmatch(text)}
    assert not {name for name in names if not module_exists(name)}


def test_each_word_of_the_glossary_names_its_folder() -> None:
    rows = [line for line in read("docs/glossary.md").splitlines() if line.startswith("| ")]
    words = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    words = [cells for cells in words if cells[0] != "word"]
    assert len(words) > 40
    assert len({cells[0] for cells in words}) == len(words)
    for _, meaning, code in words:
        assert 1 <= meaning.count(". ") + meaning.endswith(".") <= 2
        places = _CODE.findall(code)
        assert places
        assert all(place.endswith("/") and (ROOT / place).is_dir() for place in places)


@pytest.mark.parametrize("path", sorted((DOCS / "adr").glob("*.md")), ids=lambda path: path.name)
def test_each_decision_has_a_status(path: Path) -> None:
    _, _, status, *_ = path.read_text("utf-8").splitlines()
    assert re.match(r"Status: (proposed|accepted|superseded)\b", status)
