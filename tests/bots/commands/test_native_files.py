"""Converted checkpoints compute what their originals compute."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from bots.backends.transformers.bot import TransformersChatBot
from bots.checkpoints.load_tokenizer import load_tokenizer
from bots.checkpoints.quantized.formats import GptqFormat
from bots.checkpoints.shards import Shards
from bots.commands.native_files import gptq_config, write_native
from bots.errors import ConfigError, LoadError
from bots.registry.registry import choose_bot
from bots.settings import BotConfig
from tests.golden_data import GOLDEN, TYPES, cases, tolerance


def nothing(stage: str, done: float | None) -> None:
    """No progress is shown."""


def loaded(folder: Path, family: str | None = None) -> TransformersChatBot:
    """The bot that would serve a folder, in float32."""
    bot = choose_bot(str(folder), family=family)(
        BotConfig(str(folder), dtype="float32", devices="cpu")
    )
    assert isinstance(bot, TransformersChatBot)
    bot.load()
    return bot


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("moss", "moss"),
        ("moss_int4", "moss"),
        ("moss_int8", "moss"),
        ("chatglm", "chatglm"),
        ("chatglm_int4", "chatglm"),
        ("chatglm2", "chatglm2"),
        ("chatglm2_int4", "chatglm2"),
        ("chatglm3_32k", "chatglm3"),
        ("internlm2_dynamic", "amchat"),
    ],
)
def test_a_converted_checkpoint_is_the_original(name: str, family: str, tmp_path: Path) -> None:
    """Same logits, same tokens, same family, and nothing of the original's code is asked for."""
    dtype = torch.float32 if name.startswith("chatglm") else None  # rows of codes are exact in it
    out = tmp_path / "native"
    size = write_native(GOLDEN / name, out, family, nothing, dtype=dtype, shard=1 << 18)
    assert size == sum(Shards(out).read(one).nbytes for one in Shards(out).names)
    assert len(list(out.glob("*.safetensors"))) > 1
    assert "auto_map" not in (out / "tokenizer_config.json").read_text("utf-8")
    bot = loaded(out)
    assert bot.family == family
    case = cases(name)[0]
    with torch.inference_mode():
        found = bot.model(input_ids=case.ids, attention_mask=case.mask, use_cache=False).logits
    assert torch.allclose(found[-1, -1], case.logits[-1, -1], atol=tolerance(name), rtol=0)
    assert bot.tokenizer.encode("Hello 世界") == loaded(
        GOLDEN / name, TYPES.get(name)
    ).tokenizer.encode("Hello 世界")
    bot.close()


def test_transformers_itself_reads_it(tmp_path: Path) -> None:
    out = tmp_path / "native"
    write_native(GOLDEN / "moss", out, "moss", nothing)
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    case = cases("moss")[0]
    with torch.inference_mode():
        found = model(input_ids=case.ids, attention_mask=case.mask).logits
    assert torch.allclose(found[-1, -1], case.logits[-1, -1], atol=tolerance("moss"), rtol=0)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("moss", "moss"),
        ("moss_int4", "moss"),
        ("chatglm", "chatglm"),
        ("chatglm2", "chatglm2"),
        ("chatglm2_32k", "chatglm2"),
        ("chatglm3", "chatglm3"),
        ("internlm2", "amchat"),
        ("llama", "educhat"),
        ("firefly", "firefly"),
        ("yayi", "yayi"),
        ("t5", "godel"),
    ],
)
def test_other_tools_read_the_same_tokenizer(name: str, family: str, tmp_path: Path) -> None:
    """`AutoTokenizer` without code of the checkpoint gives our ids, and we still do."""
    out = tmp_path / "native"
    write_native(GOLDEN / name, out, family, nothing)
    ours, again = (
        load_tokenizer(folder, json.loads((folder / "config.json").read_text("utf-8")), family)
        for folder in (GOLDEN / name, out)
    )
    theirs = AutoTokenizer.from_pretrained(out)
    assert type(again) is type(ours)
    written = GOLDEN / name / "golden_tokens.json"
    samples = json.loads(written.read_text("utf-8"))["samples"] if written.is_file() else []
    for text in ["Hello 世界\n\n  a\tb", *(sample["text"] for sample in samples)]:
        for added in (True, False):
            ids = ours.encode(text, add_special_tokens=added)
            assert theirs.encode(text, add_special_tokens=added) == ids, text
            assert again.encode(text, add_special_tokens=added) == ids, text
    assert theirs.encode("one", "two") == ours.encode("one", "two")
    assert (theirs.eos_token_id, theirs.pad_token_id) == (ours.eos_token_id, ours.pad_token_id)


def test_packed_weights_stay_packed(tmp_path: Path) -> None:
    out = tmp_path / "native"
    size = write_native(GOLDEN / "moss_int4", out, "moss", nothing)
    original = Shards(GOLDEN / "moss_int4")
    masks = sum(original.read(one).nbytes for one in original.names if "causal_mask" in one)
    assert size == sum(original.read(one).nbytes for one in original.names) - masks
    written = json.loads((out / "config.json").read_text("utf-8"))["quantization_config"]
    assert written == {
        "quant_method": "gptq",
        "bits": 4,
        "group_size": 32,
        "desc_act": written["desc_act"],
        "sym": False,
        "checkpoint_format": "gptq",
    }


def test_what_is_native_is_not_converted(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(GOLDEN / "llama", source)
    write_native(source, tmp_path / "first", "educhat", nothing)
    with pytest.raises(LoadError, match="native safetensors already"):
        write_native(tmp_path / "first", tmp_path / "second", "educhat", nothing)
    with pytest.raises(ConfigError, match="exists already"):
        write_native(source, tmp_path / "first", "educhat", nothing)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "source"]


def as_pickle(source: Path, folder: Path, own: dict[str, Any]) -> Path:
    """A golden checkpoint with pickled weights and this `quantization_config`."""
    folder.mkdir()
    shards = Shards(source)
    torch.save(
        {name: shards.read(name).clone() for name in shards.names}, folder / "pytorch_model.bin"
    )
    for file in source.glob("tokenizer*"):
        shutil.copy(file, folder)
    config = json.loads((source / "config.json").read_text("utf-8"))
    config["quantization_config"] = own
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return folder


def test_an_unknown_quantization_is_not_converted(tmp_path: Path) -> None:
    source = as_pickle(GOLDEN / "llama", tmp_path / "source", {"quant_method": "awq", "bits": 4})
    with pytest.raises(LoadError, match="quantized by 'awq' cannot be converted"):
        write_native(source, tmp_path / "out", "educhat", nothing)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("own", "written"),
    [
        ({}, {"group_size": 32, "sym": False}),
        ({"group_size": 32, "sym": True, "desc_act": True}, {"sym": True, "desc_act": True}),
    ],
)
def test_what_the_source_says_of_gptq_is_kept(
    own: dict[str, Any], written: dict[str, Any], tmp_path: Path
) -> None:
    own = {"quant_method": "gptq", "bits": 4, **own}
    source = as_pickle(GOLDEN / "llama_gptq", tmp_path / "source", own)
    write_native(source, tmp_path / "out", "educhat", nothing)
    found = json.loads((tmp_path / "out" / "config.json").read_text("utf-8"))
    assert found["quantization_config"].items() >= written.items()


def test_one_group_a_layer() -> None:
    """Layers of different inputs have one size of group in common: -1, all of them."""
    config = {"quantization_config": {"quant_method": "gptq", "bits": 4}}
    one_each = {f"{size}.g_idx": torch.zeros(size, dtype=torch.int32) for size in (64, 128)}
    written = gptq_config(GptqFormat(4), one_each, config)
    assert (written["group_size"], written["desc_act"]) == (-1, False)
    two = {"256.g_idx": torch.arange(256, dtype=torch.int32) // 128}
    written = gptq_config(GptqFormat(4), {**two, **one_each}, config)
    assert (written["group_size"], written["desc_act"]) == (128, False)
