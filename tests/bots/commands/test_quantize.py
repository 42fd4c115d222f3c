"""Quantizing, but for the library that does the arithmetic."""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from bots.checkpoints.quantized.libraries import LIBRARIES
from bots.commands.perplexity import perplexity
from bots.commands.quantize import ROW, quantize
from bots.errors import ConfigError, LoadError
from bots.families.auto import AutoBot
from bots.registry.registry import family_of
from bots.settings import BotConfig, Quantization
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


class CheckpointError(RuntimeError):
    """The library's: unfinished work is of other options."""


class CheckpointStopped(CheckpointError):
    """The library's: Ctrl-C, after a layer."""


@dataclass
class CheckpointConfig:
    """The library's."""

    path: Path


class Library:
    """Stands for GPTQModel: refuses what it refuses, and saves the golden GPTQ checkpoint."""

    fails: Exception | None = None

    def __init__(self, folder: str, config: Any) -> None:
        from transformers import AutoModelForCausalLM

        self.folder = Path(folder)
        self.config = config
        self.model = AutoModelForCausalLM.from_pretrained(folder)
        self.layer_callback: Any = None
        self.rows: list[Any] = []
        self.kept: Path | None = None

    def quantize(
        self, rows: list[Any], *, batch_size: int, checkpoint: CheckpointConfig | None = None
    ) -> None:
        assert batch_size == 1
        self.rows = rows
        if checkpoint is not None:
            self.kept = checkpoint.path
            if self.model.config.model_type not in ("llama", "qwen3_moe"):
                raise NotImplementedError("checkpoint state adapters support llama and qwen3_moe")
            for file in self.folder.iterdir():
                if not file.resolve().is_relative_to(self.folder.resolve()):
                    raise CheckpointError("source shard escapes the model directory")
            self.kept.mkdir(exist_ok=True)
        print("a banner")
        for layer in range(2):
            self.layer_callback(layer_idx=layer, submodule_finalized=True)
            if self.fails:
                raise self.fails

    def save(self, folder: str) -> None:
        if self.config.offload_to_disk and self.model.config.model_type == "gpt_neox":
            raise KeyError("Offloaded tensor 'lm_head.weight' not found in offload directory")
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
    for one in (CheckpointConfig, CheckpointError, CheckpointStopped):
        setattr(store, one.__name__, one)
    for module in (package, looper, store):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return made


def test_a_model_is_quantized_and_judged(
    native: Path,
    text: Path,
    library: list[Library],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen: list[tuple[str, float | None]] = []
    out = tmp_path / "quantized"
    made = quantize(
        str(native),
        out,
        lambda stage, done: seen.append((stage, done)),
        calibration=text,
        group_size=32,
    )
    (lib,) = library
    assert (lib.config.bits, lib.config.group_size) == (4, 32)
    assert lib.kept == tmp_path / "quantized.work"
    assert made.not_resumed is None
    lengths = [len(row["input_ids"][0]) for row in lib.rows]
    assert set(lengths[:-1]) == {ROW}
    assert made.before.measured.tokens == made.after.measured.tokens
    # The last tenth judges and does not calibrate.
    assert sum(lengths) == pytest.approx(9 * made.before.measured.tokens, abs=10)
    assert ("quantizing", 0.5) in seen
    assert ("quantizing", 1.0) in seen
    assert "banner" not in capsys.readouterr().out
    assert (made.before.size, made.after.size) == (size(native), size(out))
    assert 1 < made.before.measured.perplexity != made.after.measured.perplexity
    assert (out / "tokenizer.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["quantized", "text.txt"]


@pytest.mark.parametrize(
    ("method", "bits", "way"),
    [("bnb", 4, "bnb-4bit"), ("bnb", 8, "bnb-8bit"), ("torchao", None, "torchao-int8")],
)
def test_a_library_s_own_form_is_saved_and_loads_as_it_is(
    method: str, bits: int | None, way: Quantization, native: Path, text: Path, tmp_path: Path
) -> None:
    """With the numbers that it has when it is made on load."""
    pytest.importorskip(LIBRARIES[way])
    out = tmp_path / "smaller"
    made = quantize(str(native), out, nothing, calibration=text, method=method, bits=bits)
    assert made.after.size == size(out)
    assert (out / "tokenizer.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["smaller", "text.txt"]
    scores = []
    forms: list[tuple[Path, Quantization]] = [(native, way), (out, "auto")]
    for path, quantization in forms:
        bot = AutoBot(BotConfig(str(path), quantization=quantization))
        bot.load()
        scores.append(perplexity(bot, range(5, 60)))
        bot.close()
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)


def test_groups_must_divide_the_layers(
    native: Path, text: Path, library: list[Library], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"128 does not divide layers of 32 inputs. Use 32."):
        quantize(str(native), tmp_path / "out", nothing, calibration=text)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"bits": 5}, "bits: 5 is not possible with gptq: 2 or 3 or 4 or 8"),
        ({"method": "bnb", "bits": 3}, "bits: 3 is not possible with bnb: 4 or 8"),
        ({"method": "torchao", "group_size": 64}, "group-size: torchao has no groups"),
        ({"method": "magic"}, "method: 'magic' is none of gptq, bnb, torchao"),
        ({"calibration": Path("nowhere.txt")}, "cannot read 'nowhere.txt'"),
        ({"model": str(GOLDEN / "llama_gptq")}, "is quantized already"),
        ({"model": str(GOLDEN / "moss")}, "make them native first, by `chatzoo convert`"),
    ],
)
def test_what_cannot_be_quantized(
    changed: dict[str, Any], said: str, native: Path, text: Path, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"model": str(native), "calibration": text} | changed
    with pytest.raises(ConfigError, match=said):
        quantize(out=tmp_path / "out", progress=nothing, **given)


@pytest.fixture(scope="module")
def neox(tiny_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of an architecture whose unfinished work the library does not keep."""
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    folder = tmp_path_factory.mktemp("neox")
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=len(tiny_tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        eos_token_id=0,
    )
    GPTNeoXForCausalLM(config).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("kind", "said"), [("neox", "keeps no unfinished work of 'gpt_neox'"), ("links", "are links")]
)
def test_what_cannot_go_on_is_said_and_made_all_the_same(
    kind: str,
    said: str,
    native: Path,
    neox: Path,
    text: Path,
    library: list[Library],
    tmp_path: Path,
) -> None:
    """Other architectures, and the hub's cache."""
    folder = neox
    if kind == "links":
        folder = tmp_path / "snapshot"
        folder.mkdir()
        for file in native.iterdir():
            (folder / file.name).symlink_to(file)
    seen: list[str] = []
    out = tmp_path / "out"
    made = quantize(
        str(folder), out, lambda stage, _: seen.append(stage), calibration=text, group_size=32
    )
    assert said in seen[0] or said in seen[1]
    assert any("starts from the beginning if interrupted" in stage for stage in seen)
    assert said in str(made.not_resumed)
    assert library[0].kept is None
    assert not (tmp_path / "out.work").exists()


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (CheckpointStopped("step 1"), KeyboardInterrupt, "the same command again to go on;.*work'"),
        (
            CheckpointError("fields: quantization"),
            ConfigError,
            r"work' holds .*delete it. \(fields",
        ),
        (NotImplementedError("no\nsuch layer"), LoadError, "Cannot quantize '.*': no such layer$"),
        (OSError(28, "No space left"), LoadError, "Cannot quantize '.*No space left"),
    ],
)
def test_errors_of_the_library_are_one_sentence(
    error: Exception,
    kind: type[BaseException],
    said: str,
    native: Path,
    text: Path,
    library: list[Library],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Finished layers are kept for the next time."""
    monkeypatch.setattr(Library, "fails", error)
    with pytest.raises(kind, match=said):
        quantize(str(native), tmp_path / "out", nothing, calibration=text, group_size=32)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.work", "text.txt"]


def test_the_family_is_noted(
    native: Path, text: Path, library: list[Library], tmp_path: Path
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    shutil.copytree(native, source)
    config = json.loads((source / "config.json").read_text("utf-8"))
    (source / "config.json").write_text(json.dumps({**config, "chatzoo_family": "belle"}), "utf-8")
    quantize(str(source), out, nothing, calibration=text, group_size=32)
    assert family_of(str(out)) == "belle"


def test_a_short_text(native: Path, text: Path, library: list[Library], tmp_path: Path) -> None:
    text.write_text("Too short.", "utf-8")
    with pytest.raises(ConfigError, match="tokens are too few"):
        quantize(str(native), tmp_path / "out", nothing, calibration=text)
    with pytest.raises(ConfigError, match="exists already"):
        quantize(str(native), native, nothing, calibration=text)


def test_a_missing_library_is_told_before_any_work(
    native: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gptqmodel", None)
    seen: list[str] = []
    with pytest.raises(ConfigError, match=r"pip install 'chatzoo\[gptq\]'"):
        quantize(
            str(native), tmp_path / "out", lambda stage, _: seen.append(stage), calibration=text
        )
    assert seen == []
