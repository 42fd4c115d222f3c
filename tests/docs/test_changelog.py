"""CHANGELOG.md: its headings, its versions and the length of its entries."""

import json
import re
import tomllib
from datetime import date

from server.http.version import package_version
from tests.docs.pages import ROOT, read

PAGE = read("CHANGELOG.md")
VERSION = tomllib.loads(read("pyproject.toml"))["project"]["version"]
KINDS = ("Added", "Changed", "Fixed", "Security")
LONGEST = 20
"""Words of an entry."""


def headings(level: int) -> list[str]:
    return re.findall(rf"^{'#' * level} +(.+)$", PAGE, re.MULTILINE)


def releases() -> list[tuple[tuple[int, ...], date]]:
    """(version, date) of each released section, from top to bottom."""
    found = []
    for title in headings(2):
        if title != "Unreleased":
            version, day = title.split(" - ")
            found.append((tuple(map(int, version.split("."))), date.fromisoformat(day)))
    return found


def entries() -> list[str]:
    """The text of each entry, continuation lines joined."""
    return [
        re.sub(r"\s+", " ", text).strip()
        for text in re.findall(r"^- (.+(?:\n  .+)*)", PAGE, re.MULTILINE)
    ]


def test_unreleased_changes_come_first_and_versions_descend() -> None:
    assert headings(2)[0] == "Unreleased"
    assert headings(2).count("Unreleased") == 1
    assert releases() == sorted(releases(), reverse=True)


def test_the_newest_release_is_the_project_s_version() -> None:
    [(newest, _), *_] = releases()
    assert ".".join(map(str, newest)) == VERSION


def test_the_installed_version_is_the_one_in_pyproject() -> None:
    assert package_version() == VERSION


def test_the_openapi_document_has_the_version_of_pyproject() -> None:
    assert json.loads(read("webui/openapi.json"))["info"]["version"] == VERSION


def test_the_code_does_not_repeat_the_version() -> None:
    for folder in ("bots", "server"):
        for path in (ROOT / folder).rglob("*.py"):
            assert f'"{VERSION}"' not in path.read_text("utf-8"), path


def test_kinds_of_change_are_the_four() -> None:
    assert set(headings(3)) <= set(KINDS)


def test_each_entry_is_one_short_sentence() -> None:
    assert entries()
    for entry in entries():
        assert len(entry.split()) <= LONGEST, entry
        assert entry.endswith("."), entry
        without_code = re.sub(r"`[^`]*`", "", entry)
        assert not re.search(r"[.!?] +[A-Z]", without_code), entry
