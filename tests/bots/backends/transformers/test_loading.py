"""From a config to files, a tokenizer and a model."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch

from bots.backends.transformers import loading
from bots.backends.transformers.loading import find_files, find_tokenizer, load_model
from bots.checkpoints.placement import Placement
from bots.errors import ConfigError
from bots.layers.half import HalfLinear, can_halve
from bots.layers.prepacked import FusedLinear, PrepackedLinear, can_prepack
from bots.settings import BotConfig
from tests.golden_data import GOLDEN

LORA = str(GOLDEN / "chinese_vicuna_lora")


def quiet(stage: str, fraction: float | None) -> None:
    """A progress callback that does nothing."""


def loaded(config: BotConfig) -> Any:
    files = find_files(config, None, quiet)
    with closing(Placement(config)) as placement:
        return load_model(files, config, placement, quiet)


def test_a_whole_model_is_its_own_base(tiny_folder: Path) -> None:
    files = find_files(BotConfig(str(tiny_folder)), None, quiet)
    assert files.adapter is None
    assert files.checkpoint.folder == tiny_folder


def test_an_adapter_and_its_base() -> None:
    files = find_files(BotConfig(LORA, base_model=str(GOLDEN / "llama")), None, quiet)
    assert files.adapter is not None
    assert files.checkpoint.folder == GOLDEN / "llama"


def test_an_adapter_without_its_base_says_what_to_name() -> None:
    with pytest.raises(ConfigError, match=r"name its base model with --base-model.*trained on"):
        find_files(BotConfig(LORA), None, quiet)


def test_a_tokenizer_elsewhere(tiny_folder: Path) -> None:
    config = BotConfig(str(GOLDEN / "llama"))
    elsewhere = BotConfig(str(GOLDEN / "llama"), tokenizer_path=str(tiny_folder))
    files = find_files(config, None, quiet)
    # A vocabulary that is smaller than the model's can be read.
    sizes = [len(find_tokenizer(files, one, None, quiet)) for one in (config, elsewhere)]
    assert sizes[0] != sizes[1]


@pytest.mark.skipif(not can_prepack(), reason="this build of PyTorch has no oneDNN")
@pytest.mark.parametrize(("name", "fused"), [("llama", True), ("t5", False)])
def test_weights_are_prepacked_and_the_files_given_back(
    name: str, fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Siblings are fused, but not in an encoder-decoder model."""
    released: list[Any] = []
    monkeypatch.setattr(loading, "page_out_files", released.append)
    model = loaded(BotConfig(str(GOLDEN / name), devices="cpu", dtype="float32"))
    kinds = {type(module) for module in model.modules()}
    assert PrepackedLinear in kinds
    assert (FusedLinear in kinds) is fused
    assert released == [model]


@pytest.mark.skipif(not can_halve(), reason="FBGEMM is for x86")
def test_float16_on_a_cpu_is_float16_weights() -> None:
    config = BotConfig(str(GOLDEN / "llama"), devices="cpu", dtype="float16")
    model = loaded(config)
    assert any(isinstance(module, HalfLinear) for module in model.modules())
    assert model.config.dtype == torch.float16


def test_quantized_weights_stay_quantized() -> None:
    model = loaded(BotConfig(str(GOLDEN / "llama_gptq"), devices="cpu"))
    kinds = {type(module) for module in model.modules()}
    assert FusedLinear not in kinds
