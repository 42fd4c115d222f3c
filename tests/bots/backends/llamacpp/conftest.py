"""The built-in model, and one thread for every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bots.backends.llamacpp.bot import LlamaCppChatBot
from tests.bots.backends.llamacpp.questions import load


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for one another crawl where cores are shared, as on test machines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def bot(builtin_gguf: Path) -> Iterator[LlamaCppChatBot]:
    """The built-in model in four slots."""
    made = load(builtin_gguf)
    yield made
    made.close()
