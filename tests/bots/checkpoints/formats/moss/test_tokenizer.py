"""MOSS's tokenizer, beyond what the golden texts show."""

import json

import pytest

from bots.checkpoints.load_tokenizer import load_tokenizer
from bots.errors import LoadError
from tests.bots.checkpoints.conftest import Copy, Load, config_of


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("a <eoh> b", [64, 601, 65]),
        ("a <|endoftext|> b", [64, 600, 65]),
        ("<eom>\n\n<eoh>\n", [602, 601]),
        ("\u3000<eoh>\u3000x", [601, 87]),
    ],
)
def test_tokens_take_the_white_space_around_them(
    golden_tokenizer: Load, text: str, ids: list[int]
) -> None:
    """On both sides, as the slow tokenizers of transformers 4.30 did."""
    assert golden_tokenizer("moss").encode(text) == ids


def test_a_gap_in_the_ids_is_refused(copied: Copy) -> None:
    """The token would get another id than the model knows."""
    folder = copied("moss")
    (folder / "added_tokens.json").write_text(json.dumps({"<eoh>": 601, "<eom>": 605}))
    with pytest.raises(LoadError, match="cannot have the id"):
        load_tokenizer(folder, config_of(folder))


def test_merges_of_another_model_are_refused(copied: Copy) -> None:
    """They name tokens that the vocabulary has not."""
    folder = copied("moss")
    (folder / "merges.txt").write_text("#version: 0.2\nĠnever Ġseen\n")
    with pytest.raises(LoadError, match="do not fit"):
        load_tokenizer(folder, config_of(folder))


def test_missing_merges_are_named(copied: Copy) -> None:
    """One of two files is not enough."""
    folder = copied("moss")
    (folder / "merges.txt").unlink()
    with pytest.raises(LoadError, match=r"there is no merges\.txt"):
        load_tokenizer(folder, config_of(folder))
