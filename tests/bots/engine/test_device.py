"""Devices of a model: weights on disk, mapped files, memory, and full devices."""

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from psutil import Process
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from bots.backends.transformers import TransformersChatBot
from bots.engine.device import (
    free_on,
    has_weights_on_disk,
    input_device,
    is_out_of_memory,
    page_out_files,
    peak_memory,
    weight_bytes,
)
from bots.events import Delta, Message, Replace
from bots.settings import BotConfig, BotSettings
from tests.golden_data import GOLDEN


class PlainBot(TransformersChatBot):
    """Takes token ids."""

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        return messages[-1].content


def loaded(name: str, limit: str | None, folder: Path) -> PlainBot:
    bot = PlainBot(
        BotConfig(
            str(GOLDEN / name),
            devices="cpu",
            dtype="float32",
            max_memory=limit,
            offload_folder=str(folder),
        )
    )
    bot.load()
    return bot


def greedy(bot: PlainBot, name: str, beams: int) -> tuple[int, ...]:
    prompt = [5, 60, 7, 100, 31, 8]
    if name == "chatglm":
        prompt += [bot.model.config.gmask_token_id, bot.model.config.bos_token_id]
    settings = {"temperature": 0, "max_new_tokens": 4, "num_beams": beams, "ignore_eos": True}
    ids: tuple[int, ...] = ()
    for event in bot.run(bot.prepare_text(prompt, bot.Settings.parse(settings))):
        if isinstance(event, Delta):
            ids += event.token_ids
        elif isinstance(event, Replace) and event.token_ids is not None:
            ids = event.token_ids
    return ids


@pytest.mark.parametrize(
    ("name", "share"),
    [(name, 0) for name in ("chatglm", "chatglm2", "firefly", "llama", "moss", "t5")]
    + [("llama", 90)],
)
def test_a_model_on_disk_answers_as_from_memory(name: str, share: int, tmp_path: Path) -> None:
    """With memory for that percentage of its weights, one token at a time and by beams."""
    whole = loaded(name, None, tmp_path)
    size = sum(one.numel() for one in whole.model.parameters()) * 4
    limit = f"cpu={max(1, size * share // 100_000)}KB"
    with closing(loaded(name, limit, tmp_path)) as bot:
        where = {"cpu", "disk"} if share else {"disk"}
        info = bot.info()
        assert set((info.device_map or {}).values()) == where
        assert info.engine == "sequential"
        assert info.engine_reason
        assert has_weights_on_disk(bot.model)
        assert not has_weights_on_disk(whole.model)
        assert weight_bytes(bot.model) < weight_bytes(whole.model)
        for beams in (1, 2):
            assert greedy(bot, name, beams) == greedy(whole, name, beams) != ()


@pytest.mark.skipif(sys.platform != "linux", reason="the advice is Linux's")
@pytest.mark.parametrize("name", [b"weights", b"no UTF-8: \xff"])
def test_a_mapped_file_is_given_back_and_keeps_its_numbers(name: bytes, tmp_path: Path) -> None:
    """Of a file of 64 MB no more stays resident than what is used, also where it was written to."""
    file = tmp_path / "weights.safetensors"
    save_file({"big": torch.ones(4, 1 << 20), "small": torch.arange(1024.0)}, file)
    with safe_open(file, framework="pt") as opened:
        big, small = opened.get_tensor("big"), opened.get_tensor("small")
    file = file.rename(tmp_path / os.fsdecode(name))  # safetensors opens no such name itself
    assert float(big.sum()) == 4 << 20
    small[7] = -1
    model = nn.Module()
    model.small = nn.Parameter(small)
    before = resident(file)
    page_out_files(model)
    assert before > 16 << 20
    assert resident(file) < 2 << 20
    assert model.small[7] == -1
    assert model.small[8] == 8
    assert float(big.sum()) == 4 << 20


def resident(file: Path) -> int:
    """Bytes of a mapped file that are in memory."""
    regions = Process().memory_maps()
    return sum(one.rss for one in regions if one.path == str(file))


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you …"), True),
        (RuntimeError("shapes do not match"), False),
        (MemoryError(), False),
    ],
)
def test_what_a_full_device_looks_like(error: Exception, full: bool) -> None:
    assert is_out_of_memory(error) is full


def test_a_cpu_that_is_asked_for_too_much_raises_such_an_error() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert is_out_of_memory(caught.value)


class Embedded(nn.Module):  # type: ignore[misc]
    """A model with an embedding and a head that shares its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(8, 4)
        self.head = nn.Linear(4, 8, bias=False)
        self.head.weight = self.embed.weight

    def get_input_embeddings(self) -> nn.Module:
        return self.embed


def test_inputs_go_where_the_embedding_computes() -> None:
    model = Embedded()
    assert input_device(model) == torch.device("cpu")
    model.embed.to("meta")
    model.embed._hf_hook = SimpleNamespace(execution_device="cpu")
    assert input_device(model) == torch.device("cpu")


def test_shared_weights_count_once() -> None:
    assert weight_bytes(Embedded()) == 8 * 4 * 4
    assert weight_bytes(Embedded().to("meta")) == 0


def test_memory_of_the_cpu() -> None:
    cpu = torch.device("cpu")
    assert free_on(cpu) > 0
    peak = peak_memory(cpu)
    assert peak is None or peak > 1 << 20
