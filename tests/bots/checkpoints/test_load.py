"""Original checkpoints as native models: the configs they get, and files that are wrong."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    CodeGenConfig,
    CodeGenForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from bots.checkpoints.load import Checkpoint
from bots.errors import LoadError
from tests.golden_data import GOLDEN, NAMES

Tensors = dict[str, torch.Tensor]
WHOLE = [name for name in NAMES if name != "chinese_vicuna_lora"]


def copied(name: str, folder: Path, **config: Any) -> Path:
    """A golden checkpoint with other values in its config; None removes one."""
    folder = shutil.copytree(GOLDEN / name, folder / name)
    path = folder / "config.json"
    merged = json.loads(path.read_text()) | config
    path.write_text(json.dumps({key: one for key, one in merged.items() if one is not None}))
    return folder


def load(folder: Path) -> Any:
    return Checkpoint(folder).load(dtype=torch.float32, device_map={"": "cpu"})


def edited(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    """The folder with its only weight file changed."""
    weights = folder / "pytorch_model.bin"
    tensors = torch.load(weights, weights_only=True)
    edit(tensors)
    torch.save(tensors, weights)
    return folder


def refused(folder: Path, words: str) -> None:
    with pytest.raises(LoadError, match=words) as caught:
        load(folder)
    assert "\n" not in caught.value.message


def test_the_classes() -> None:
    """Which native class each original becomes."""
    found = {name: Checkpoint(GOLDEN / name).native.model_class.__name__ for name in WHOLE}
    assert {name.split("_")[0]: found[name] for name in WHOLE} == {
        "chatglm": "ChatGLMForConditionalGeneration",
        "chatglm2": "GlmForCausalLM",
        "chatglm3": "GlmForCausalLM",
        "firefly": "BloomForCausalLM",
        "internlm2": "LlamaForCausalLM",
        "llama": "LlamaForCausalLM",
        "moss": "CodeGenForCausalLM",
        "t5": "T5ForConditionalGeneration",
        "yayi": "BloomForCausalLM",
    }


def test_values_that_logits_hardly_show() -> None:
    """A wrong epsilon or context would pass the numbers of a tiny model."""
    glm = Checkpoint(GOLDEN / "chatglm3").native.config
    assert (glm.rms_norm_eps, glm.max_position_embeddings, glm.eos_token_id) == (1e-5, 512, 2)
    moss = Checkpoint(GOLDEN / "moss").native.config
    assert (moss.layer_norm_epsilon, moss.n_positions) == (1e-5, 128)
    assert not moss.tie_word_embeddings
    llama = Checkpoint(GOLDEN / "internlm2").native.config
    assert (llama.rms_norm_eps, llama.rope_parameters["rope_theta"]) == (1e-5, 1_000_000)
    chatglm = Checkpoint(GOLDEN / "chatglm").native.config
    assert (chatglm.layer_norm_eps, chatglm.max_position_embeddings) == (1e-5, 512)


@pytest.mark.parametrize(
    ("name", "family", "rope"),
    [
        ("chatglm2_32k", None, ("linear", 10_000)),
        ("chatglm2_32k", "chatglm3", ("default", 40_000)),
        ("chatglm3_32k", None, ("default", 500_000)),
        ("chatglm3_32k", "chatglm2", ("linear", 10_000)),
        ("chatglm3_32k", "chatglm3", ("default", 500_000)),
    ],
)
def test_the_operator_overrides_what_only_a_name_tells(
    name: str, family: str | None, rope: tuple[str, float]
) -> None:
    found = Checkpoint(GOLDEN / name, family).native.config.rope_parameters
    assert (found["rope_type"], found["rope_theta"]) == rope


@pytest.mark.parametrize(
    ("name", "config", "words"),
    [
        ("llama", {"model_type": "odd"}, r"no architecture 'odd'.*Known families: .*auto"),
        ("llama", {"model_type": None}, "no architecture None"),
        ("chatglm2", {"model_type": "glm9"}, "brings code; --trust-remote-code would run it"),
        ("llama", {"model_type": "vit"}, "generates no text"),
        ("chatglm2", {"rmsnorm": False}, "rmsnorm"),
        ("chatglm3", {"pre_seq_len": 128}, "p-tuning"),
        ("chatglm", {"pre_seq_len": 128}, "p-tuning"),
        ("chatglm", {"position_encoding_2d": False}, "position_encoding_2d"),
        ("chatglm", {"gmask_token_id": None}, "too old a revision"),
        ("internlm2", {"rope_scaling": {"type": "yarn", "factor": 2}}, "rope_scaling 'yarn'"),
    ],
)
def test_architectures_that_are_not_there(
    tmp_path: Path, name: str, config: dict[str, Any], words: str
) -> None:
    refused(copied(name, tmp_path, **config), words)


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_config_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    refused(tmp_path, r"config\.json of")


def test_a_delta_is_no_model() -> None:
    with pytest.raises(LoadError, match="add it to its base first"):
        Checkpoint(GOLDEN / "llama", name="lmsys/vicuna-7b-delta-v1.1")


@pytest.mark.parametrize("name", ["firefly", "chatglm3_32k"])
def test_every_tensor_is_accounted_for(tmp_path: Path, name: str) -> None:
    """Of a class that transformers reads itself, and of one that we map."""
    norm = "ln_f.weight" if name == "firefly" else "transformer.encoder.final_layernorm.weight"
    folder = copied(name, tmp_path)
    original = torch.load(folder / "pytorch_model.bin", weights_only=True)
    norm = next(one for one in original if one.endswith(norm))

    def write(tensors: dict[str, torch.Tensor]) -> Path:
        torch.save(tensors, folder / "pytorch_model.bin")
        return folder

    refused(write({n: t for n, t in original.items() if n != norm}), r"missing are .*norm|ln_f")
    refused(write(original | {"odd.weight": torch.ones(1)}), r"odd\.weight")
    refused(write(original | {norm: torch.ones(3)}), r"of another shape are .* \[3\] for \[\d+\]")


def test_old_buffers_are_left_out() -> None:
    """Rotary frequencies and causal masks that these files carry are computed, not read."""
    assert load(GOLDEN / "llama")
    assert load(GOLDEN / "moss")


def old_neox(tensors: Tensors) -> Tensors:
    """With the mask and the frequencies that StableLM-alpha's files carry."""
    at = "gpt_neox.layers.0.attention."
    return tensors | {
        at + "bias": torch.ones(1, 1, 8, 8, dtype=torch.bool).tril(),
        at + "masked_bias": torch.tensor(-1e9),
        at + "rotary_emb.inv_freq": torch.ones(4),
    }


def old_bloom(tensors: Tensors) -> Tensors:
    """Without the prefix and the tied head, as the first BLOOM files."""
    names = {
        name: name.removeprefix("transformer.") for name in tensors if name != "lm_head.weight"
    }
    return {new: tensors[old] for old, new in names.items()}


def old_t5(tensors: Tensors) -> Tensors:
    """With a bias that cross attention never had a use for."""
    extra = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    return tensors | {extra: torch.zeros(32, 4)}


@pytest.mark.parametrize(
    ("model_class", "config", "edit"),
    [
        (
            GPTNeoXForCausalLM,
            GPTNeoXConfig(
                vocab_size=64,
                hidden_size=32,
                num_hidden_layers=1,
                num_attention_heads=4,
                intermediate_size=64,
            ),
            old_neox,
        ),
        (
            BloomForCausalLM,
            BloomConfig(vocab_size=64, hidden_size=32, n_layer=1, n_head=4),
            old_bloom,
        ),
        (
            T5ForConditionalGeneration,
            T5Config(vocab_size=64, d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=4),
            old_t5,
        ),
    ],
)
def test_layouts_of_their_time(
    tmp_path: Path, model_class: Any, config: Any, edit: Callable[[Tensors], Tensors]
) -> None:
    """What old files have more or less than current classes is known, and changes nothing."""
    original = model_class(config).eval()
    tensors = {name: one.clone() for name, one in original.state_dict().items()}
    torch.save(edit(tensors), tmp_path / "pytorch_model.bin")
    config.save_pretrained(tmp_path)
    ids = torch.arange(6)[None]
    more = {"decoder_input_ids": ids} if config.is_encoder_decoder else {}
    with torch.inference_mode():
        logits, wanted = (one(ids, **more).logits for one in (load(tmp_path), original))
    assert torch.equal(logits, wanted)


REMOTE = """
from transformers import LlamaConfig, LlamaForCausalLM

class OddConfig(LlamaConfig):
    model_type = "odd"

class OddForCausalLM(LlamaForCausalLM):
    config_class = OddConfig
"""


def test_code_of_a_checkpoint_runs_only_when_asked_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Off, it is refused; on, the log says what will run."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "c"))
    parts = {"AutoConfig": "odd.OddConfig", "AutoModelForCausalLM": "odd.OddForCausalLM"}
    folder = copied("llama", tmp_path, model_type="odd", auto_map=parts)
    (folder / "odd.py").write_text(REMOTE)
    refused(folder, "--trust-remote-code would run it")
    checkpoint = Checkpoint(folder, trust_remote_code=True)
    assert "odd.OddConfig, odd.OddForCausalLM" in caplog.text
    model = checkpoint.load(dtype=torch.float32, device_map={"": "cpu"})
    assert type(model).__name__ == "OddForCausalLM"
    with pytest.raises(LoadError, match="own code makes this model"):
        checkpoint.load(quantization="int8", dtype=torch.float32, device_map={"": "cpu"})


def test_the_generation_config_is_read() -> None:
    assert load(GOLDEN / "llama").generation_config.pad_token_id == 0


PEAK = """
import sys, torch
from pathlib import Path
from bots.checkpoints.load import Checkpoint

def status(field):  # bytes; VmHWM is the most that was resident since it was cleared
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024

checkpoint = Checkpoint(Path(sys.argv[1]))
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
model = checkpoint.load(dtype=torch.float32, device_map={"": "cpu"})
size = sum(p.numel() * p.element_size() for p in model.parameters())
print(status("VmHWM") - before, size)
"""


def test_the_peak_is_the_model_and_about_a_shard(tmp_path: Path) -> None:
    """Eight half-precision shards of 10 MB become 160 MB of float32: resident is not all twice."""
    config = json.loads((GOLDEN / "moss" / "config.json").read_text())
    config |= {"n_embd": 640, "n_layer": 8, "n_head": 8, "rotary_dim": 16}
    (tmp_path / "config.json").write_text(json.dumps(config))
    native = Checkpoint(tmp_path).native
    assert isinstance(native.config, CodeGenConfig)
    with torch.device("meta"):
        shapes = CodeGenForCausalLM(native.config).state_dict()
    layers: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in shapes.items():
        shard = name.split(".")[2] if ".h." in name else "0"
        layers.setdefault(shard, {})[name] = torch.zeros(tensor.shape, dtype=torch.float16)
    index: dict[str, str] = {}
    sizes = []
    for shard, tensors in layers.items():
        file = tmp_path / f"pytorch_model-{int(shard) + 1:05}-of-00008.bin"
        torch.save(tensors, file)
        sizes.append(file.stat().st_size)
        index |= dict.fromkeys(tensors, file.name)
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    peak, model = map(int, done.stdout.split())
    assert model > 150e6
    # Two shards may be mapped while loading goes from one to the next; the rest is allocator slack.
    assert peak < model + 2 * max(sizes) + 30e6, f"{peak / 1e6:.0f} MB for {model / 1e6:.0f} MB"
