"""Fixtures for all tests: the built-in model, fetched once for tests marked `model`."""

from pathlib import Path

import hypothesis
import pytest

from bots.checkpoints import builtin

# No time limit an example: the machine may be busy with something else.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


@pytest.fixture(scope="session")
def builtin_gguf() -> Path:
    """The GGUF file of the built-in model."""
    return Path(builtin.resolve("builtin:smollm2-gguf"))


@pytest.fixture(scope="session")
def builtin_folder() -> Path:
    """The safetensors folder of the built-in model."""
    return Path(builtin.resolve("builtin:smollm2"))
