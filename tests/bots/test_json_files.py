"""Reading JSON objects, with errors or with {} in their place."""

from pathlib import Path

import pytest

from bots.errors import LoadError
from bots.json_files import read_json, read_json_if_present, read_json_or_empty

DAMAGED = ["{", "[" * 100_000, "[1]", "\udcff"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}', "utf-8")
    return path


def test_an_object_is_read_by_all(file: Path) -> None:
    for read in (read_json, read_json_if_present, read_json_or_empty):
        assert read(file) == {"a": 1}


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    with pytest.raises(LoadError, match=r"Cannot read b\.json of '.*': "):
        read_json(path)
    assert read_json_if_present(path) == read_json_or_empty(path) == {}


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file(file: Path, text: str) -> None:
    file.write_text(text, "utf-8", "surrogateescape")
    for read in (read_json, read_json_if_present):
        with pytest.raises(LoadError, match=r"a\.json"):
            read(file)
    assert read_json_or_empty(file) == {}
