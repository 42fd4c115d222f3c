"""The tokenizers of the golden checkpoints, and copies of their folders to damage."""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bots.checkpoints.load_tokenizer import load_tokenizer
from tests.golden_data import GOLDEN

Load = Callable[[str], Any]
Copy = Callable[[str], Path]


def config_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
    return found


@pytest.fixture(scope="session")
def golden_tokenizer() -> Load:
    """By the name of a golden checkpoint; each is loaded once."""
    return cache(lambda name: load_tokenizer(GOLDEN / name, config_of(GOLDEN / name)))


@pytest.fixture
def copied(tmp_path: Path) -> Copy:
    """A copy of a golden checkpoint's small files."""

    def copy(name: str) -> Path:
        large = shutil.ignore_patterns("*.bin", "*.safetensors", "golden*")
        return Path(shutil.copytree(GOLDEN / name, tmp_path / name, ignore=large))

    return copy
