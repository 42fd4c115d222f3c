"""What the built page weighs on the wire, KaTeX's fonts apart."""

import gzip
import re
from pathlib import Path

from tests.e2e.conftest import built_page

KB = 1000
BEFORE_THE_FIRST_MESSAGE = 60 * KB
IN_ALL = 250 * KB
WITH_THE_PAGE = re.compile(r'(?:src|href)="\./(assets/[^"]+)"')


def weight(file: Path) -> int:
    """Its bytes as the hub sends it."""
    return len(gzip.compress(file.read_bytes(), 9, mtime=0))


def test_before_the_first_message() -> None:
    index = built_page() / "index.html"
    at_once = [index, *(index.parent / name for name in WITH_THE_PAGE.findall(index.read_text()))]
    assert {file.suffix for file in at_once} == {".html", ".js", ".css"}
    languages = [weight(file) for file in (index.parent / "assets").glob("*.js") if language(file)]
    assert len(languages) == 2
    weights = {file.name: weight(file) for file in at_once}
    assert sum(weights.values()) + max(languages) <= BEFORE_THE_FIRST_MESSAGE, weights


def test_in_all() -> None:
    weights = {
        file.name: weight(file)
        for file in built_page().rglob("*")
        if file.is_file() and file.suffix != ".woff2"
    }
    assert sum(weights.values()) <= IN_ALL, weights


def language(file: Path) -> bool:
    """Whether these are the page's messages; one of the two is fetched at once as well."""
    return file.name.startswith(("en-", "zh-CN-"))
