"""Weights made smaller by bitsandbytes and torchao while they are read."""

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from bots.checkpoints.load import Checkpoint
from bots.checkpoints.quantized.libraries import LIBRARIES, avoid_unfit_kernels
from bots.engine.device import weight_bytes
from bots.errors import LoadError
from bots.layers.prepacked import prepack
from tests.golden_data import GOLDEN

CPU: dict[str, Any] = {"dtype": torch.float32, "device_map": {"": "cpu"}}
SHARE = {"bnb-8bit": 0.03, "bnb-4bit": 0.3, "torchao-int8": 0.03}
"""How far logits may be from the full-size model's, of the largest."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose layers are much of it."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=128,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    path = tmp_path_factory.mktemp("llama")
    LlamaForCausalLM(config).save_pretrained(path)
    return path


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(torch.arange(9)[None]).logits.float()
    return found


@pytest.mark.parametrize("way", LIBRARIES)
def test_numbers_are_near_in_less_memory(way: str, folder: Path) -> None:
    """And nothing of it is taken for a plain layer."""
    pytest.importorskip(LIBRARIES[way])
    plain = Checkpoint(folder).load(**CPU)
    checkpoint = Checkpoint(folder)
    model = checkpoint.load(quantization=way, **CPU)
    assert str(checkpoint.quantization_in_use).startswith(f"{way} ({LIBRARIES[way]} ")
    wanted, found = logits(plain), logits(model)
    assert float((found - wanted).abs().max() / wanted.abs().max()) < SHARE[way]
    assert not torch.equal(found, wanted)
    assert weight_bytes(model) < weight_bytes(plain) / 2
    assert prepack(model) == (1 if prepack(plain) else 0)  # the head
    assert torch.allclose(logits(model), found, atol=1e-6)  # the head sums in another order


@pytest.mark.parametrize("way", [way for way in LIBRARIES if way.startswith("bnb")])
def test_original_files(way: str) -> None:
    """A checkpoint whose tensors we rename is quantized as any other."""
    plain = Checkpoint(GOLDEN / "internlm2").load(**CPU)
    model = Checkpoint(GOLDEN / "internlm2").load(quantization=way, **CPU)
    kinds = {type(one).__name__ for one in model.modules()}
    assert kinds & {"Linear8bitLt", "Linear4bit"}
    assert weight_bytes(model) < weight_bytes(plain)


def test_what_is_quantized_already_is_refused() -> None:
    with pytest.raises(LoadError, match="quantized already, so bnb-8bit is not possible"):
        Checkpoint(GOLDEN / "llama_gptq").load(quantization="bnb-8bit", **CPU)


def test_gptq_refuses_what_is_not() -> None:
    checkpoint = Checkpoint(GOLDEN / "llama_gptq")
    checkpoint.load(quantization="gptq", **CPU)
    assert checkpoint.quantization_in_use == "gptq int4 (torch)"
    for name in ("llama", "chatglm_int4"):
        with pytest.raises(LoadError, match="are not GPTQ"):
            Checkpoint(GOLDEN / name).load(quantization="gptq", **CPU)


@pytest.mark.parametrize("way", LIBRARIES)
def test_a_missing_library_is_named(
    way: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the checkpoint was saved by it."""
    library = LIBRARIES[way]
    monkeypatch.setitem(sys.modules, library, None)
    install = rf"needs {library}: pip install 'chatzoo\[{way.partition('-')[0]}\]'"
    with pytest.raises(LoadError, match=f"^--quantization {way} {install}"):
        Checkpoint(folder).load(quantization=way, **CPU)
    saved = shutil.copytree(folder, tmp_path / "saved")
    config = json.loads((saved / "config.json").read_text())
    config["quantization_config"] = {"quant_method": library}
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(LoadError, match=f"^This checkpoint {install}"):
        Checkpoint(saved).load(**CPU)


class Layer(torch.nn.Module):  # type: ignore[misc]
    """What `avoid_unfit_kernels` reads of bitsandbytes' 4-bit layer."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.in_features, self.out_features = inputs, outputs
        self.weight = SimpleNamespace(quant_state=SimpleNamespace(blocksize=64))
        self.support_avx512bf16_for_cpu = True


@pytest.mark.parametrize(
    ("inputs", "outputs", "fits"),
    [(64, 32, True), (192, 96, True), (32, 32, False), (96, 32, False), (64, 48, False)],
)
def test_the_avx512_kernel_only_takes_whole_blocks(inputs: int, outputs: int, fits: bool) -> None:
    model = torch.nn.Sequential(Layer(inputs, outputs), torch.nn.Linear(3, 3))
    avoid_unfit_kernels(model)
    assert model[0].support_avx512bf16_for_cpu is fits
