"""Where the parts of a model go: GPUs by number, memory limits, offloading to disk."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch

from bots.checkpoints.load import Checkpoint
from bots.checkpoints.placement import Placement, parse_memory
from bots.errors import ConfigError, LoadError
from bots.settings import BotConfig
from tests.golden_data import GOLDEN, cases, tolerance


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    memory = {0: 1, 1: 2, 2: 3, 3: 4, "cpu": 5}
    monkeypatch.setattr("bots.checkpoints.placement.get_max_memory", lambda: memory)


def placed(**config: Any) -> Placement:
    return Placement(BotConfig(**config))


@pytest.mark.usefixtures("four_gpus")
def test_the_maps_that_accelerate_is_given() -> None:
    assert placed(devices="auto").device_map() == "auto"
    assert placed(devices="cpu").device_map() == {"": "cpu"}
    assert placed(devices="2").device_map() == {"": 2}
    assert placed(devices="cuda:1,3").device_map() == "auto"


@pytest.mark.usefixtures("four_gpus")
def test_memory_is_that_of_the_chosen_gpus_within_the_limits() -> None:
    assert placed(devices="auto").max_memory() is None
    assert placed(devices="1,3").max_memory() == {1: 2, 3: 4, "cpu": 5}
    limited = placed(devices="1,3", max_memory="3=1KB,cpu=2GiB").max_memory()
    assert limited == {1: 2, 3: 1000, "cpu": 2 * 2**30}
    with pytest.raises(LoadError, match="GPU 0 is not among"):
        placed(devices="1,3", max_memory="0=1GB").max_memory()


@pytest.mark.parametrize("wrong", ["cpu", "gpu=1GB", "0=1", "0=big", "cpu=1GB,", "cpu=-1GB"])
def test_a_limit_that_is_none(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"not of the form|is no size"):
        parse_memory(wrong)


BLOCKS = {
    "chatglm": "ChatGLMBlock",
    "chatglm2": "GlmDecoderLayer",
    "firefly": "BloomBlock",
    "internlm2": "LlamaDecoderLayer",
    "moss": "CodeGenBlock",
    "t5": "T5Block",
}
"""A golden checkpoint of each native class, and the part of it that must stay whole."""


@pytest.mark.parametrize(
    ("dtype", "packed", "chosen"),
    [
        ("auto", False, torch.float32),
        ("auto", True, torch.bfloat16),
        ("float32", True, torch.float32),
    ],
)
@pytest.mark.filterwarnings("ignore:float16 is slow and coarse on a CPU")
def test_packed_weights_compute_in_what_their_kernels_are_fast_in(
    dtype: str, packed: bool, chosen: torch.dtype
) -> None:
    place = placed(devices="cpu", dtype=dtype)
    config = Checkpoint(GOLDEN / "moss_int4").native.config
    assert place.options(config, quantized=packed)["dtype"] == chosen


@pytest.mark.parametrize("name", BLOCKS)
def test_what_does_not_fit_goes_to_disk_and_computes_the_same(name: str, tmp_path: Path) -> None:
    """A memory limit forces accelerate to leave whole blocks in files, on the CPU."""
    checkpoint = Checkpoint(GOLDEN / name)
    on_cpu = Placement(BotConfig(devices="cpu", dtype="float32"))
    whole = checkpoint.load(**on_cpu.options(checkpoint.native.config))
    size = sum(one.numel() for one in whole.parameters()) * 4
    place = placed(
        devices="cpu",
        dtype="float32",
        max_memory=f"cpu={size * 95 // 100_000}KB",
        offload_folder=str(tmp_path),
    )
    model = checkpoint.load(**place.options(checkpoint.native.config))
    assert {"cpu", "disk"} == set(model.hf_device_map.values())
    blocks = [part for part, one in model.named_modules() if type(one).__name__ == BLOCKS[name]]
    assert blocks
    assert not [
        part for part in model.hf_device_map if part.startswith(tuple(f"{b}." for b in blocks))
    ]
    assert list(tmp_path.rglob("*.safetensors"))
    case = cases(name)[0]
    more = {n: torch.tensor(case.facts[n]) for n in ("decoder_input_ids",) if n in case.facts}
    with torch.inference_mode():
        logits = model(input_ids=case.ids, **more).logits
    assert (logits - case.logits).abs().max() <= tolerance(name)
    place.close()
    assert not list(tmp_path.iterdir())


def test_a_tied_tensor_is_found_on_disk_by_both_its_names(tmp_path: Path) -> None:
    """Files that hold it once: Firefly's head is its embedding."""
    checkpoint = Checkpoint(GOLDEN / "firefly")
    with closing(
        placed(devices="cpu", dtype="float32", max_memory="cpu=1KB", offload_folder=str(tmp_path))
    ) as place:
        model = checkpoint.load(**place.options(checkpoint.native.config))
        assert set(model.hf_device_map.values()) == {"disk"}
        case = cases("firefly")[0]
        with torch.inference_mode():
            logits = model(input_ids=case.ids).logits
    assert (logits - case.logits).abs().max() <= tolerance("firefly")


def test_an_offload_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = placed(max_memory="cpu=1KB", offload_folder=str(tmp_path / "file" / "x"))
    with pytest.raises(LoadError, match="Cannot make the offload folder"):
        place.options(Checkpoint(GOLDEN / "moss").native.config)
