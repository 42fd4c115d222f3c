"""From a path or an id to a folder; the hub is a stand-in."""

from pathlib import Path
from typing import Any

import pytest

from bots.checkpoints.source import Source
from bots.errors import ConfigError
from tests.golden_data import GOLDEN

FILES = {
    "config.json",
    "tokenizer.model",
    "modeling_x.py",
    "pytorch_model-00001-of-00001.bin",
    "optimizer.bin",
    "training_args.bin",
}


class Hub:
    """A hub with one model; fetched files lie in its cache."""

    def __init__(self, cache: Path, files: set[str]) -> None:
        self.snapshot = cache / "models--a--b" / "snapshots" / "abc123"
        self.files = files
        self.asked: list[dict[str, Any]] = []

    def download(self, name: str, **options: Any) -> str:
        assert name == "a/b"
        self.asked.append(options)
        self.snapshot.mkdir(parents=True, exist_ok=True)
        for file in self.files:
            wanted = any(Path(file).match(one) for one in options["allow_patterns"])
            if wanted and not any(Path(file).match(one) for one in options["ignore_patterns"]):
                (self.snapshot / file).write_text("{}")
        return str(self.snapshot)

    @property
    def fetched(self) -> set[str]:
        return {path.name for path in self.snapshot.iterdir()}


@pytest.fixture
def make_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(files: set[str] = FILES) -> Hub:
        hub = Hub(tmp_path, files)
        monkeypatch.setattr("bots.checkpoints.source.snapshot_download", hub.download)
        return hub

    return make


def source(path: str, **options: Any) -> Source:
    return Source(path, lambda *_: None, **options)


def test_weights_come_last_and_code_not_at_all(make_hub: Any) -> None:
    hub = make_hub()
    model = source("a/b", revision="v1")
    assert model.small() == hub.snapshot
    assert hub.fetched == {"config.json", "tokenizer.model"}
    assert model.whole() == hub.snapshot
    assert hub.fetched == FILES - {"modeling_x.py", "optimizer.bin", "training_args.bin"}
    assert {asked["revision"] for asked in hub.asked} == {"v1"}
    assert model.revision() == "abc123"


def test_safetensors_are_preferred(make_hub: Any) -> None:
    hub = make_hub(FILES | {"model.safetensors"})
    source("a/b").whole()
    assert "model.safetensors" in hub.fetched
    assert not [name for name in hub.fetched if name.endswith(".bin")]


def test_code_is_fetched_where_it_may_run(make_hub: Any) -> None:
    hub = make_hub()
    source("a/b", code=True).small()
    assert "modeling_x.py" in hub.fetched


def test_a_local_folder_is_itself(make_hub: Any, tmp_path: Path) -> None:
    hub = make_hub()
    (tmp_path / "config.json").write_text("{}")
    local = source(str(tmp_path))
    assert (local.small(), local.whole(), local.revision()) == (tmp_path, tmp_path, None)
    assert not hub.asked


def test_an_adapter_is_told_from_a_model() -> None:
    assert source(str(GOLDEN / "chinese_vicuna_lora")).is_adapter()
    assert not source(str(GOLDEN / "llama")).is_adapter()


def test_a_folder_without_a_model_names_its_option(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"without config\.json") as caught:
        source(str(tmp_path), option="base-model")
    assert caught.value.param == "base-model"
