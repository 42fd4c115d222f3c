"""Where the parts of a model go: GPUs by number, memory limits, offloading to disk."""

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
    with pytest.raises(ConfigError, match="not of the form"):
        parse_memory(wrong)


@pytest.mark.parametrize(
    ("name", "limit"),
    [("moss", "1500KB"), ("chatglm", "1MB"), ("chatglm3", "1300KB"), ("internlm2", "1300KB")],
)
def test_what_does_not_fit_goes_to_disk_and_computes_the_same(
    name: str, limit: str, tmp_path: Path
) -> None:
    """A memory limit on the CPU forces accelerate to leave layers in files."""
    place = placed(
        devices="cpu", dtype="float32", max_memory=f"cpu={limit}", offload_folder=str(tmp_path)
    )
    checkpoint = Checkpoint(GOLDEN / name)
    model = checkpoint.load(**place.options(checkpoint.native.config))
    assert {"cpu", "disk"} == set(model.hf_device_map.values())
    files = list(tmp_path.rglob("*.safetensors")) + list(tmp_path.rglob("*.dat"))
    assert files
    case = cases(name)[0]
    with torch.inference_mode():
        logits = model(input_ids=case.ids).logits
    assert (logits - case.logits).abs().max() <= tolerance(name)
    place.close()
    assert not list(tmp_path.iterdir())


def test_an_offload_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = placed(max_memory="cpu=1KB", offload_folder=str(tmp_path / "file" / "x"))
    with pytest.raises(LoadError, match="Cannot make the offload folder"):
        place.options(Checkpoint(GOLDEN / "moss").native.config)
