"""Which white space belongs to special tokens: what transformers 4.30 did with the same files."""

import json
from typing import Any

import pytest

from bots.checkpoints.load_tokenizer import load_tokenizer
from bots.errors import LoadError
from tests.bots.checkpoints.conftest import Copy, config_of


def flagged(content: str, **flags: bool) -> dict[str, Any]:
    return {"content": content, "lstrip": False, "rstrip": False, "normalized": True, **flags}


TEXTS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"}
FLAGS = {name: flagged(token) for name, token in TEXTS.items()}


@pytest.mark.parametrize(
    ("declared", "text", "ids"),
    [
        (TEXTS, "a </s> b", [265, 2, 276]),
        (FLAGS, "a </s> b", [265, 565, 2, 273, 590]),
        (FLAGS | {"pad_token": "</s>"}, "a </s> b", [265, 565, 2, 273, 590]),
        ({}, "a </s> b", [265, 565, 2, 273, 590]),
        ({"eos_token": flagged("</s>", rstrip=True)}, "a </s> b", [265, 565, 2, 276]),
        ({}, "a <|prompter|> b", [265, 761, 276]),
        (TEXTS, "<|assistant|>  hi", [760, 565, 310]),
    ],
)
def test_white_space_around_special_tokens(
    copied: Copy, declared: dict[str, Any], text: str, ids: list[int]
) -> None:
    """A mere text takes it, flags decide for themselves, tokenizer_config.json takes none."""
    folder = copied("llama")
    (folder / "special_tokens_map.json").write_text(json.dumps(declared))
    tokenizer = load_tokenizer(folder, config_of(folder))
    assert tokenizer.encode(text, add_special_tokens=False) == ids


def test_added_tokens_that_are_not_special_are_text(copied: Copy) -> None:
    """They are parsed and never skipped."""
    folder = copied("llama")
    (folder / "added_tokens.json").write_text('{"plain": 760}')
    (folder / "special_tokens_map.json").write_text('{"additional_special_tokens": ["<new>"]}')
    tokenizer = load_tokenizer(folder, config_of(folder))
    ids = tokenizer.encode("a plain <new> </s>", add_special_tokens=False)
    assert ids[1:3] == [760, 761]
    assert tokenizer.decode(ids, skip_special_tokens=True).rstrip() == "aplain"


@pytest.mark.parametrize(
    "declared",
    [
        {"eos_token": {"lstrip": False}},
        {"eos_token": 7},
        {"additional_special_tokens": [["x"]]},
        {"additional_special_tokens": 3},
    ],
)
def test_wrong_declarations_are_one_sentence(copied: Copy, declared: dict[str, Any]) -> None:
    """Of types that no version wrote."""
    folder = copied("llama")
    (folder / "special_tokens_map.json").write_text(json.dumps(declared))
    with pytest.raises(LoadError, match="special tokens are declared wrongly"):
        load_tokenizer(folder, config_of(folder))
