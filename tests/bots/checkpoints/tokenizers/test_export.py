"""Exported tokenizers give the same ids, white space tokens and pairs included."""

from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from bots.checkpoints.tokenizers.export import declared, exported
from tests.bots.checkpoints.conftest import Load

TEXT = "Two  blanks,\ta tab\nand 天气。"


@pytest.mark.parametrize("name", ["moss", "chatglm", "chatglm2", "internlm2"])
def test_the_ids_are_the_same(name: str, golden_tokenizer: Load, tmp_path: Path) -> None:
    tokenizer = golden_tokenizer(name)
    (tmp_path / "tokenizer.json").write_text(exported(tokenizer), "utf-8")
    fast = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    assert fast(TEXT)["input_ids"] == tokenizer(TEXT)["input_ids"]


def test_the_declaration_keeps_the_originals_class(golden_tokenizer: Load) -> None:
    tokenizer = golden_tokenizer("chatglm2")
    original = {"tokenizer_class": "ChatGLMTokenizer", "odd_token": "<odd>", "do_lower_case": False}
    found = declared(tokenizer, original)
    assert found["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert found["chatzoo_tokenizer"] == "ChatGLMTokenizer"
    assert found["do_lower_case"] is False
    assert "odd_token" not in found
    assert found["padding_side"] == "left"
