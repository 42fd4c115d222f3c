"""SentencePiece tokenizers: text and back, ids that no token has, damaged files."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentencepiece import sentencepiece_model_pb2

from bots.checkpoints.load_tokenizer import load_tokenizer
from bots.checkpoints.tokenizers.files import read_pieces
from bots.engine.detokenizer import Detokenizer
from bots.errors import LoadError
from tests.bots.checkpoints.conftest import Copy, Load, config_of
from tests.golden_data import GOLDEN

NAMES = ["chatglm", "chatglm2", "chatglm3", "internlm2", "llama"]
TEXT = st.text(st.sampled_from("aé你🐶 \n\t，.x<n>|_\u200d\u3000"), max_size=40)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=60)
@given(text=TEXT)
def test_text_comes_back(golden_tokenizer: Load, name: str, text: str) -> None:
    """Also one id at a time; but what ChatGLM-6B takes for a newline is one."""
    tokenizer = golden_tokenizer(name)
    ids = tokenizer.encode(text)
    reader = Detokenizer(tokenizer)
    wanted = text.replace("<n>", "\n") if name == "chatglm" else text
    assert tokenizer.decode(ids, skip_special_tokens=True) == wanted
    assert "".join(reader.add([one]) for one in ids) == wanted


@pytest.mark.parametrize("name", ["llama", "internlm2"])
def test_decode_is_the_inverse_of_encode(golden_tokenizer: Load, name: str) -> None:
    """With special tokens inside the text, shown without blanks that nobody wrote."""
    tokenizer = golden_tokenizer(name)
    special = "<|assistant|>" if name == "llama" else "<|im_start|>"
    text = f"a b{special}你好</s>  {special}x"
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert ids.count(tokenizer.convert_tokens_to_ids(special)) == 2
    shown = tokenizer.decode(ids)
    assert shown.replace("  ", "") == text.replace("  ", "")
    assert tokenizer.encode(shown, add_special_tokens=False) == ids


@pytest.mark.parametrize("name", NAMES)
def test_ids_that_no_token_has_are_left_out(golden_tokenizer: Load, name: str) -> None:
    """A model may choose one: it has more rows than the tokenizer has tokens."""
    tokenizer = golden_tokenizer(name)
    ids = tokenizer.encode("ab", add_special_tokens=False)
    none = len(tokenizer) + 3
    assert tokenizer.decode([*ids, none]) == tokenizer.decode(ids)
    assert Detokenizer(tokenizer).add([none, *ids]) == "ab"
    assert tokenizer.convert_ids_to_tokens([none]) == [""]


def test_bos_and_eos_are_the_folder_s_choice(copied: Copy) -> None:
    """`add_bos_token`, `add_eos_token` of tokenizer_config.json; a pair is two texts."""
    folder = copied("llama")
    (folder / "tokenizer_config.json").write_text('{"add_bos_token": false, "add_eos_token": true}')
    tokenizer = load_tokenizer(folder, config_of(folder))
    assert tokenizer.encode("a") == [265, 2]
    assert tokenizer("a", "a")["input_ids"] == [265, 2, 265, 2]


@pytest.mark.parametrize("own_file", [True, False])
def test_the_chat_template_is_found(copied: Copy, own_file: bool) -> None:
    """In tokenizer_config.json or in its own file; its special tokens are parsed."""
    folder = copied("internlm2")
    if own_file:
        template = "{{bos_token}}{% for one in messages %}{{one.content}}<|im_end|>{% endfor %}"
        (folder / "chat_template.jinja").write_text(template)
    tokenizer = load_tokenizer(folder, config_of(folder))
    messages = [{"role": "user", "content": "你好"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    chat = "<|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n"
    assert text == ("<s>你好<|im_end|>" if own_file else f"<s>{chat}")
    assert tokenizer.encode(text, add_special_tokens=False)[0] == 1
    assert 744 in tokenizer.encode(text, add_special_tokens=False)


def test_a_file_cut_between_two_pieces_is_noticed(tmp_path: Path) -> None:
    """It reads like a whole one with fewer pieces."""
    model = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
    model.ParseFromString((GOLDEN / "t5/spiece.model").read_bytes())
    del model.pieces[100:]
    model.ClearField("trainer_spec")
    model.ClearField("normalizer_spec")
    path = tmp_path / "spiece.model"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(LoadError, match="is cut short"):
        read_pieces(path)
