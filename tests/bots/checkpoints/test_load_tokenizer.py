"""All tokenizers against what the originals made of the same texts, and wrong files."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bots.checkpoints.load_tokenizer import check_vocabulary, load_tokenizer
from bots.engine.detokenizer import Detokenizer
from bots.errors import LoadError
from tests.bots.checkpoints.conftest import Copy, Load, config_of
from tests.golden_data import GOLDEN, tokens

NAMES = sorted(path.parent.name for path in GOLDEN.glob("*/golden_tokens.json"))
SAMPLES = [
    pytest.param(name, sample, id=f"{name}-{sample['label']}")
    for name in NAMES
    for sample in tokens(name)["samples"]
]
SPACED = {"moss", "llama", "internlm2", "t5"}
"""Whose originals put blanks around special tokens that they show."""


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_ids_and_text_are_the_original_s(
    golden_tokenizer: Load, name: str, sample: dict[str, Any]
) -> None:
    """Ids with and without special tokens, the tokens' names, and the way back."""
    tokenizer = golden_tokenizer(name)
    text, bare = sample["text"], sample["ids_no_special"]
    assert tokenizer.encode(text) == sample["ids"]
    assert tokenizer.encode(text, add_special_tokens=False) == bare
    assert tokenizer.convert_ids_to_tokens(bare) == sample["tokens_no_special"]
    wanted = sample["decode_no_special_ids"]
    if name in SPACED and any(one in tokenizer.all_special_ids for one in bare):
        assert tokenizer.decode(bare).replace(" ", "") == wanted.replace(" ", "")
    else:
        assert tokenizer.decode(bare) == wanted


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_one_id_at_a_time_gives_the_whole_text(
    golden_tokenizer: Load, name: str, sample: dict[str, Any], skip: bool
) -> None:
    """The streamed text is that of all ids together, and never has half a character."""
    tokenizer = golden_tokenizer(name)
    reader = Detokenizer(tokenizer, skip_special_tokens=skip)
    pieces = [reader.add([one]) for one in sample["ids"]]
    assert "".join(pieces) == tokenizer.decode(sample["ids"], skip_special_tokens=skip)
    assert all("\ufffd" not in piece for piece in pieces)


@pytest.mark.parametrize("name", NAMES)
def test_special_ids_are_the_original_s(golden_tokenizer: Load, name: str) -> None:
    """The named ones, those of the vocabulary, and how many tokens there are."""
    tokenizer, facts = golden_tokenizer(name), tokens(name)
    assert len(tokenizer) == facts["len"]
    for which in ("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id"):
        assert getattr(tokenizer, which) == facts[which]
    commands = {"<bos>", "<eos>", "<pad>"} if name in ("chatglm2", "chatglm3") else set()
    for token, one in facts.get("special_ids", {}).items():
        if token not in commands:
            assert tokenizer.convert_tokens_to_ids(token) == one
    assert tokenizer.padding_side == ("right" if name == "t5" else "left")


@pytest.mark.parametrize("name", ["chatglm", "chatglm2", "chatglm3"])
def test_batches_are_padded_on_the_left(golden_tokenizer: Load, name: str) -> None:
    """With the ids, mask and positions of the original; ChatGLM-6B's model makes the last two."""
    facts = tokens(name)["batch_leftpad"]
    batch = golden_tokenizer(name)(facts["texts"], padding=True, return_tensors="pt")
    assert batch["input_ids"].tolist() == facts["input_ids"]
    if name == "chatglm":
        mask = [[int(one != 3) for one in row] for row in facts["input_ids"]]
        assert batch["attention_mask"].tolist() == mask
    else:
        assert batch["attention_mask"].tolist() == facts["attention_mask"]
        assert batch["position_ids"].tolist() == facts["position_ids"]


def test_the_operator_says_which_of_two_alike(copied: Copy) -> None:
    """ChatGLM2 and ChatGLM3 differ by name: that of a config, or the family."""
    folder = copied("chatglm2")
    config = config_of(folder)
    nameless = {name: value for name, value in config.items() if name != "_name_or_path"}
    assert "<|user|>" in load_tokenizer(folder, config, "chatglm3").get_vocab()
    assert "<|user|>" not in load_tokenizer(folder, config).get_vocab()
    declared = {"name_or_path": "THUDM/chatglm3-6b"}
    (folder / "tokenizer_config.json").write_text(json.dumps(declared))
    assert "<|user|>" in load_tokenizer(folder, nameless).get_vocab()


@pytest.mark.parametrize("extra", [{}, {"tokenizer_class": "LLaMATokenizer"}])
def test_early_llama_conversions_are_read_rightly(copied: Copy, extra: dict[str, str]) -> None:
    """A class name that transformers does not know, and special tokens that are empty texts."""
    folder = copied("llama")
    (folder / "special_tokens_map.json").write_text("{}")
    empty = {"bos_token": "", "eos_token": "", "unk_token": "", **extra}
    (folder / "tokenizer_config.json").write_text(json.dumps(empty))
    tokenizer = load_tokenizer(folder, config_of(folder))
    assert [tokenizer.bos_token_id, tokenizer.eos_token_id] == [1, 2]
    sample = tokens("llama")["samples"][5]
    assert sample["label"] == "leading_space"
    assert tokenizer.encode(sample["text"]) == sample["ids"]


def test_a_modern_llama_is_left_to_transformers(copied: Copy) -> None:
    """`legacy: false` says that text after special tokens gets no blank."""
    folder = copied("llama")
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "legacy": False}))
    assert load_tokenizer(folder, config_of(folder)).is_fast


def test_a_fast_file_wins_unless_a_family_is_chosen(copied: Copy) -> None:
    """Chat models of today bring tokenizer.json; the families of 2023 were run without it."""
    folder = copied("llama")
    config = config_of(folder)
    assert not load_tokenizer(folder, config).is_fast
    (folder / "tokenizer.json").write_bytes((GOLDEN / "firefly/tokenizer.json").read_bytes())
    assert load_tokenizer(folder, config).is_fast
    assert load_tokenizer(folder, config, "auto").is_fast
    assert not load_tokenizer(folder, config, "educhat").is_fast


FILES = {
    "chatglm": "ice_text.model",
    "chatglm2": "tokenizer.model",
    "chatglm3": "tokenizer.model",
    "firefly": "tokenizer.json",
    "internlm2": "tokenizer.model",
    "llama": "tokenizer.model",
    "moss": "vocab.json",
    "t5": "spiece.model",
    "yayi": "tokenizer.json",
}
DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "other": lambda path: path.write_bytes(b'{"a": 1}'),
    "page": lambda path: path.write_bytes(b"<!doctype html><title>Not found</title>"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(("name", "file"), FILES.items())
def test_damaged_vocabularies_are_one_clear_sentence(
    copied: Copy, name: str, file: str, damage: str
) -> None:
    """It says where, and nothing about libraries that would not help."""
    folder = copied(name)
    DAMAGE[damage](folder / file)
    with pytest.raises(LoadError, match=r"^Cannot load the tokenizer of .*\.$") as caught:
        load_tokenizer(folder, config_of(folder))
    message = caught.value.message
    assert str(folder) in message
    assert "tiktoken" not in message
    assert "\n" not in message


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_tokenizer_config_is_one_sentence(copied: Copy, name: str) -> None:
    """The JSON files beside the vocabulary, too."""
    folder = copied(name)
    (folder / "tokenizer_config.json").write_text('{"a":')
    with pytest.raises(LoadError, match=r"tokenizer_config\.json is damaged"):
        load_tokenizer(folder, config_of(folder))


@pytest.mark.parametrize(
    ("name", "size"), [("chatglm2", {"padded_vocab_size": 700}), ("llama", {"vocab_size": 700})]
)
def test_a_larger_vocabulary_is_of_another_model(
    golden_tokenizer: Load, name: str, size: dict[str, int]
) -> None:
    """The embeddings have no row for some of its tokens."""
    config = config_of(GOLDEN / name) | size
    with pytest.raises(LoadError, match=r"7\d\d tokens and the model only 700"):
        check_vocabulary(golden_tokenizer(name), config)
    with pytest.raises(LoadError, match="different models"):
        load_tokenizer(GOLDEN / name, config)


def test_an_added_token_needs_a_row_but_for_padding(golden_tokenizer: Load, copied: Copy) -> None:
    """Some repositories add a padding token and no row for it; no prompt has it."""
    with pytest.raises(LoadError, match=r"<\|prefix_begin\|> has the id 763"):
        check_vocabulary(golden_tokenizer("llama"), {"vocab_size": 763})
    folder = copied("llama")
    (folder / "added_tokens.json").write_text('{"[PAD]": 760}')
    (folder / "special_tokens_map.json").write_text('{"pad_token": "[PAD]"}')
    tokenizer = load_tokenizer(folder, config_of(folder) | {"vocab_size": 760})
    assert tokenizer.pad_token_id == 760


def test_the_size_may_be_that_of_the_text_part(golden_tokenizer: Load) -> None:
    """Configs of models with more than text have it there, and some have none."""
    with pytest.raises(LoadError, match="only 9"):
        check_vocabulary(golden_tokenizer("t5"), {"text_config": {"vocab_size": 9}})
    check_vocabulary(golden_tokenizer("t5"), {})


def test_the_first_chatglm_had_other_ids(copied: Copy) -> None:
    """Its weights do not go with the files of today."""
    folder = copied("chatglm")
    with pytest.raises(LoadError, match=r"bos_token_id 150004.*704.*different versions"):
        load_tokenizer(folder, config_of(folder) | {"bos_token_id": 150004})


def test_code_of_a_tokenizer_is_named_where_it_may_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only with the option, and then the log says what."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "c"))
    folder = shutil.copytree(GOLDEN / "firefly", tmp_path / "firefly")
    path = folder / "tokenizer_config.json"
    code = {"AutoTokenizer": [None, "odd.OddTokenizer"]}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"auto_map": code}))
    (folder / "odd.py").write_text(
        "from transformers import PreTrainedTokenizerFast\n"
        "class OddTokenizer(PreTrainedTokenizerFast):\n    pass\n"
    )
    load_tokenizer(folder, {})
    assert not caplog.text
    load_tokenizer(folder, {}, trust_remote_code=True)
    assert "odd.OddTokenizer" in caplog.text
