"""Converted checkpoints compute what their originals compute."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from bots import choose_bot
from bots.checkpoints.convert import convert
from bots.checkpoints.shards import Shards
from bots.errors import ConfigError, LoadError
from bots.settings import BotConfig
from bots.transformers_bot import TransformersChatBot
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
    size = convert(GOLDEN / name, out, family, nothing, dtype=dtype, shard=1 << 18)
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
    convert(GOLDEN / "moss", out, "moss", nothing)
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    case = cases("moss")[0]
    with torch.inference_mode():
        found = model(input_ids=case.ids, attention_mask=case.mask).logits
    assert torch.allclose(found[-1, -1], case.logits[-1, -1], atol=tolerance("moss"), rtol=0)


def test_packed_weights_stay_packed(tmp_path: Path) -> None:
    out = tmp_path / "native"
    size = convert(GOLDEN / "moss_int4", out, "moss", nothing)
    original = Shards(GOLDEN / "moss_int4")
    masks = sum(original.read(one).nbytes for one in original.names if "causal_mask" in one)
    assert size == sum(original.read(one).nbytes for one in original.names) - masks
    told = json.loads((out / "config.json").read_text("utf-8"))["quantization_config"]
    assert told == {
        "quant_method": "gptq",
        "bits": 4,
        "group_size": 32,
        "desc_act": told["desc_act"],
        "sym": False,
        "checkpoint_format": "gptq",
    }


def test_what_is_native_is_not_converted(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(GOLDEN / "llama", source)
    convert(source, tmp_path / "first", "educhat", nothing)
    with pytest.raises(LoadError, match="native safetensors already"):
        convert(tmp_path / "first", tmp_path / "second", "educhat", nothing)
    with pytest.raises(ConfigError, match="exists already"):
        convert(source, tmp_path / "first", "educhat", nothing)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "source"]
