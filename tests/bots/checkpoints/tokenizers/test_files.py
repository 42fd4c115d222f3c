"""Reading the files of a tokenizer: every failure names the folder and the file."""

from pathlib import Path

import pytest

from bots.checkpoints.tokenizers.files import (
    read_lines,
    read_optional_json,
    read_pieces,
    read_template,
)
from bots.errors import LoadError


def test_json_may_be_missing_but_not_damaged(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer_config.json"
    assert read_optional_json(path) == {}
    path.write_text("[]", "utf-8")
    with pytest.raises(LoadError, match=r"Cannot load the tokenizer of .*config\.json is damaged"):
        read_optional_json(path)


def test_lines_of_a_file_that_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"there is no merges\.txt"):
        read_lines(tmp_path / "merges.txt")
    (tmp_path / "merges.txt").write_text("a b\nc d", "utf-8")
    assert read_lines(tmp_path / "merges.txt") == ["a b", "c d"]


def test_a_template_of_its_own_comes_before_that_of_the_config(tmp_path: Path) -> None:
    assert read_template(tmp_path, {}) is None
    assert read_template(tmp_path, {"chat_template": "a"}) == "a"
    (tmp_path / "chat_template.jinja").write_text("b\nc", "utf-8")
    assert read_template(tmp_path, {"chat_template": "a"}) == "b\nc"


def test_a_model_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"there is no tokenizer\.model"):
        read_pieces(tmp_path / "tokenizer.model")
    (tmp_path / "tokenizer.model").write_bytes(b"\x00" * 20)
    with pytest.raises(LoadError, match="cut short, or no SentencePiece model"):
        read_pieces(tmp_path / "tokenizer.model")
