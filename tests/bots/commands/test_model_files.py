"""What all commands refuse, fetch and find out about the paths that they are given."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from bots.commands.apply_delta import apply_delta
from bots.commands.convert import convert
from bots.commands.model_files import family_of_delta, fetch_model, is_recognised
from bots.commands.quantize import quantize
from bots.errors import ConfigError, LoadError
from tests.golden_data import GOLDEN


def nothing(stage: str, done: float | None) -> None:
    """No progress is shown."""


@pytest.mark.parametrize(
    ("base", "delta", "family"),
    [
        ("a/llama-7b", "ecnu-icalk/educhat-sft-002-7b", "educhat"),
        ("./llama", "lmsys/vicuna-7b-delta-v1.1", "vicuna-v1.1"),
        ("./llama", "./vicuna-13b-v1.1-delta", "vicuna-v1.1"),
        ("wenge-research/yayi-7b-llama2", "./mine", "yayi"),
        ("./llama", "./mine", "auto"),
    ],
)
def test_the_family_of_a_delta_is_in_its_name_or_its_bases(
    base: str, delta: str, family: str
) -> None:
    assert family_of_delta(base, delta) == family


def test_paths_that_are_no_models_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, and no request to the hub."""
    monkeypatch.setattr("bots.checkpoints.source.snapshot_download", lambda *_, **__: 1 / 0)
    gguf, full = tmp_path / "a.gguf", tmp_path / "full"
    gguf.touch()
    full.mkdir()
    (full / "file").touch()
    out = tmp_path / "out"
    for model, where, said in (
        (str(tmp_path / "nope"), out, "There is nothing at '.*nope'"),
        (str(gguf), out, "is a GGUF file; name a folder"),
        ("https://example.com/v1", out, "is a URL; name a folder"),
        ("owner/model", full, "exists already"),
    ):
        with pytest.raises(ConfigError, match=said):
            convert(model, where, nothing, family="moss")
        with pytest.raises(ConfigError, match=said):
            apply_delta(model, model, where, nothing)
        with pytest.raises(ConfigError, match=said):
            quantize(model, where, nothing, calibration=gguf)


def test_a_hub_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise LocalEntryNotFoundError("no\nnetwork")

    monkeypatch.setattr("bots.checkpoints.source.snapshot_download", fails)
    with pytest.raises(LoadError, match=r"Cannot load the files of 'owner/model': no network$"):
        convert("owner/model", tmp_path / "out", nothing, family="moss")


def test_a_delta_from_the_hub_is_refused_by_its_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "0123"
    shutil.copytree(GOLDEN / "moss", snapshot)
    monkeypatch.setattr("bots.checkpoints.source.snapshot_download", lambda *_, **__: str(snapshot))
    for command in (convert, partial(quantize, calibration=snapshot / "config.json")):
        with pytest.raises(LoadError, match=r"vicuna-7b-delta-v1.1 holds the difference"):
            command("lmsys/vicuna-7b-delta-v1.1", tmp_path / "out", nothing)


def test_a_folder_is_its_own_model(tmp_path: Path) -> None:
    assert fetch_model(str(GOLDEN / "moss"), nothing, "model") == GOLDEN / "moss"
    with pytest.raises(ConfigError, match="holds no model") as caught:
        fetch_model(str(tmp_path), nothing, "base")
    assert caught.value.param == "base"


@pytest.mark.parametrize(
    ("name", "content", "served"),
    [
        ("config.json", {"chatzoo_family": "belle"}, True),
        ("tokenizer_config.json", {"chat_template": "{{ messages }}"}, True),
        ("tokenizer_config.json", {"eos_token": "</s>"}, False),
        ("chat_template.jinja", {}, True),
        ("config.json", {"model_type": "llama"}, False),
    ],
)
def test_folders_that_need_no_type(
    name: str, content: dict[str, Any], served: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / name).write_text(json.dumps(content), "utf-8")
    assert is_recognised(folder) is served
