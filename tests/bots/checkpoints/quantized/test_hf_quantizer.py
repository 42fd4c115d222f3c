"""Packed layers in models of transformers: int8 on load, offloading, adapters, what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, LoraModel
from transformers import LlamaConfig, LlamaForCausalLM

from bots.checkpoints.adapter import put_on
from bots.checkpoints.load import Checkpoint
from bots.errors import LoadError
from bots.layers.quantized import HalfEmbedding, QuantizedLinear
from tests.golden_data import GOLDEN, cases

CPU = {"dtype": torch.float32, "device_map": {"": "cpu"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small LLaMA with tied embeddings, in safetensors."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=96,
        hidden_size=64,
        intermediate_size=128,
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


def near(mine: torch.Tensor, theirs: torch.Tensor, share: float) -> bool:
    return float((mine - theirs).abs().max() / theirs.abs().max()) < share


def test_int8_on_load(folder: Path) -> None:
    """Every linear layer and the tied head have codes; the embedding stays; numbers are near."""
    plain = Checkpoint(folder).load(**CPU)
    checkpoint = Checkpoint(folder)
    model = checkpoint.load(quantization="int8", **CPU)
    kinds = {type(one).__name__ for one in model.modules() if isinstance(one, torch.nn.Linear)}
    assert kinds == {"QuantizedLinear"}
    assert model.get_input_embeddings().weight.dtype == torch.float32
    assert checkpoint.quantization_in_use == "int8 (torch int8pack)"
    assert near(logits(model), logits(plain), 0.03)


def test_int8_as_on_a_gpu(folder: Path) -> None:
    """The plain path, which is all that a GPU has, gives the same numbers."""
    wanted = logits(Checkpoint(folder).load(quantization="int8", **CPU))
    checkpoint = Checkpoint(folder)
    found = logits(checkpoint.load(quantization="int8", device="cuda", **CPU))
    assert checkpoint.quantization_in_use == "int8 (torch)"
    assert near(found, wanted, 0.02)


def test_int8_with_parts_on_disk(folder: Path, tmp_path: Path) -> None:
    """What accelerate brings back from the disk is the packed tensor."""
    wanted = logits(Checkpoint(folder).load(quantization="int8", **CPU))
    model = Checkpoint(folder).load(
        quantization="int8",
        dtype=torch.float32,
        device_map={"model.embed_tokens": "cpu", "lm_head": "cpu", "model.norm": "cpu"}
        | {"model.rotary_emb": "cpu", "model.layers.0": "cpu", "model.layers.1": "disk"},
        offload_folder=str(tmp_path),
    )
    assert near(logits(model), wanted, 0.01)  # the head, which is tied, has no codes here


def test_packed_weights_on_disk(tmp_path: Path) -> None:
    """A quantized checkpoint of which a part is on disk computes the same."""
    wanted = logits(Checkpoint(GOLDEN / "llama_gptq").load(**CPU))
    model = Checkpoint(GOLDEN / "llama_gptq").load(
        dtype=torch.float32,
        device_map={"model.embed_tokens": "cpu", "lm_head": "disk", "model.norm": "cpu"}
        | {"model.rotary_emb": "cpu", "model.layers.0": "disk", "model.layers.1": "cpu"},
        offload_folder=str(tmp_path),
    )
    assert torch.allclose(logits(model), wanted, atol=1e-5)


@pytest.mark.parametrize("name", ["moss_int4", "chatglm_int8", "chatglm2_int4", "llama_gptq"])
def test_the_kernels_of_bfloat16(name: str) -> None:
    """PyTorch's own kernels give the originals' numbers, as near as bfloat16 is."""
    checkpoint = Checkpoint(GOLDEN / name)
    model = checkpoint.load(dtype=torch.bfloat16, device_map={"": "cpu"})
    assert "int4pack" in str(checkpoint.quantization_in_use) or "int8pack" in str(
        checkpoint.quantization_in_use
    )
    case = cases(name)[0]
    more = {"position_ids": torch.tensor(p)} if (p := case.facts.get("position_ids")) else {}
    with torch.inference_mode():
        found = model(input_ids=case.ids, attention_mask=case.mask, **more).logits.float()
    seen = case.mask.bool()
    assert near(found[seen], case.logits[seen], 0.1)


def test_a_float32_model_keeps_half_what_the_file_has_in_half() -> None:
    """The embedding and the head are as large as in the file."""
    model = Checkpoint(GOLDEN / "moss_int4").load(**CPU)
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    assert isinstance(embedding, HalfEmbedding)
    assert isinstance(head, QuantizedLinear)
    assert embedding.weight.dtype == head.weight.dtype == torch.float16


def test_full_size_when_asked() -> None:
    checkpoint = Checkpoint(GOLDEN / "llama_gptq")
    model = checkpoint.load(quantization="none", **CPU)
    assert not any(isinstance(one, QuantizedLinear) for one in model.modules())
    assert checkpoint.quantization_in_use == "gptq int4 (full size)"
    packed = Checkpoint(GOLDEN / "llama_gptq").load(**CPU)
    assert torch.allclose(logits(model), logits(packed), atol=1e-5)


def test_what_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="quantized already"):
        Checkpoint(GOLDEN / "moss_int8").load(quantization="int8", **CPU)
    other = shutil.copytree(folder, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_8bit": True}
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(LoadError, match="'bitsandbytes' cannot be made full-size"):
        Checkpoint(other).load(quantization="none", **CPU)


def test_an_adapter_on_packed_weights(folder: Path, tmp_path: Path) -> None:
    """It is added at each step, and refused where it would be merged."""
    config = LoraConfig(r=2, lora_alpha=64, target_modules=["q_proj"], init_lora_weights=False)
    torch.manual_seed(1)
    trained = LoraModel(Checkpoint(folder).load(**CPU), {"default": config}, "default")
    config.save_pretrained(tmp_path)
    tensors = {
        f"base_model.{name.replace('.default', '')}": one
        for name, one in trained.state_dict().items()
        if "lora_" in name
    }
    torch.save(tensors, tmp_path / "adapter_model.bin")
    base = Checkpoint(folder).load(quantization="int8", **CPU)
    with pytest.raises(LoadError, match="cannot be merged into quantized weights"):
        put_on(base, tmp_path, merge=True)
    before = logits(base)
    found = logits(put_on(base, tmp_path, merge=False))
    assert near(found, logits(trained.model), 0.03)
    assert not near(found, before, 0.03)
