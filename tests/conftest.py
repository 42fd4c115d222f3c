"""Fixtures for all tests: the built-in model, fetched once for tests marked `model`."""

from pathlib import Path

import pytest

from bots import builtin


@pytest.fixture(scope="session")
def builtin_gguf() -> Path:
    """The GGUF file of the built-in model."""
    return Path(builtin.resolve("builtin:smollm2-gguf"))


@pytest.fixture(scope="session")
def builtin_folder() -> Path:
    """The safetensors folder of the built-in model."""
    return Path(builtin.resolve("builtin:smollm2"))
