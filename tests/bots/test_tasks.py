"""Quantising, but for the library that does the arithmetic."""

import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from bots.errors import ConfigError
from bots.tasks import ROW, quantize
from tests.golden_data import GOLDEN

pytestmark = pytest.mark.filterwarnings("ignore:float16 is slow and coarse on a CPU")


def nothing(stage: str, done: float | None) -> None:
    """No progress is shown."""


@pytest.fixture
def native(tiny_folder: Path) -> Path:
    """A LLaMA in native safetensors."""
    return tiny_folder


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A text for calibration."""
    path = tmp_path / "text.txt"
    path.write_text("The weather was calm, and nobody was at sea. 天气很好。\n" * 200, "utf-8")
    return path


def size(folder: Path) -> int:
    """Bytes of the weight files."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


class Library:
    """Stands for GPTQModel: remembers what it was given, and saves the golden GPTQ checkpoint."""

    def __init__(self, folder: str, config: Any) -> None:
        from transformers import AutoModelForCausalLM

        self.config = config
        self.model = AutoModelForCausalLM.from_pretrained(folder)
        self.layer_callback: Any = None
        self.rows: list[Any] = []

    def quantize(self, rows: list[Any], **_: Any) -> None:
        self.rows = rows
        print("a banner")
        for layer in range(2):
            self.layer_callback(layer_idx=layer, submodule_finalized=True)

    def save(self, folder: str) -> None:
        Path(folder).mkdir()
        for name in ("config.json", "quantize_config.json", "gptq_model-4bit-32g.safetensors"):
            shutil.copy(GOLDEN / "llama_gptq" / name, folder)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> list[Library]:
    """The library's stand-in, and what was made of it."""
    made: list[Library] = []

    def load(folder: str, config: Any) -> Library:
        made.append(Library(folder, config))
        return made[-1]

    package, looper, store = (
        ModuleType(name)
        for name in ("gptqmodel", "gptqmodel.looper", "gptqmodel.looper.checkpoint")
    )
    package.GPTQModel = SimpleNamespace(load=load)  # type: ignore[attr-defined]
    package.QuantizeConfig = SimpleNamespace  # type: ignore[attr-defined]
    store.CheckpointConfig = SimpleNamespace  # type: ignore[attr-defined]
    for module in (package, looper, store):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return made


def test_a_model_is_quantised_and_judged(
    native: Path,
    text: Path,
    library: list[Library],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen: list[tuple[str, float | None]] = []
    out = tmp_path / "quantised"
    made = quantize(
        str(native),
        out,
        lambda stage, done: seen.append((stage, done)),
        calibration=text,
        group_size=32,
    )
    (lib,) = library
    assert (lib.config.bits, lib.config.group_size) == (4, 32)
    lengths = [len(row["input_ids"][0]) for row in lib.rows]
    assert set(lengths[:-1]) == {ROW}
    assert made.before.measured.tokens == made.after.measured.tokens
    # The last tenth judges and does not calibrate.
    assert sum(lengths) == pytest.approx(9 * made.before.measured.tokens, abs=10)
    assert ("quantising", 0.5) in seen
    assert ("quantising", 1.0) in seen
    assert "banner" not in capsys.readouterr().out
    assert (made.before.size, made.after.size) == (size(native), size(out))
    assert 1 < made.before.measured.perplexity != made.after.measured.perplexity
    assert (out / "tokenizer.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["quantised", "text.txt"]


def test_groups_must_divide_the_layers(
    native: Path, text: Path, library: list[Library], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"128 does not divide layers of 32 inputs. Use 32."):
        quantize(str(native), tmp_path / "out", nothing, calibration=text)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"bits": 5}, "bits: 5 is none of 2, 3, 4, 8"),
        ({"method": "magic"}, "method: 'magic' is none of gptq"),
        ({"calibration": Path("nowhere.txt")}, "cannot read 'nowhere.txt'"),
        ({"model": str(GOLDEN / "llama_gptq")}, "is quantised already"),
        ({"model": str(GOLDEN / "moss")}, "make them native first, by `chatzoo convert`"),
    ],
)
def test_what_cannot_be_quantised(
    changed: dict[str, Any], said: str, native: Path, text: Path, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"model": str(native), "calibration": text} | changed
    with pytest.raises(ConfigError, match=said):
        quantize(out=tmp_path / "out", progress=nothing, **given)


def test_a_short_text_and_a_missing_library(
    native: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gptqmodel", None)
    with pytest.raises(ConfigError, match=r"pip install 'chatzoo\[gptq\]'"):
        quantize(str(native), tmp_path / "out", nothing, calibration=text, group_size=32)
    text.write_text("Too short.", "utf-8")
    with pytest.raises(ConfigError, match="tokens are too few"):
        quantize(str(native), tmp_path / "out", nothing, calibration=text)
    with pytest.raises(ConfigError, match="exists already"):
        quantize(str(native), native, nothing, calibration=text)
