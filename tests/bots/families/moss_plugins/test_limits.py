"""Limits of the process that runs a tool."""

import subprocess
import sys

import pytest

from bots.families.moss_plugins.limits import limit

resource = pytest.importorskip("resource")

GREEDY = "from bots.families.moss_plugins.limits import limit; limit(); print(len(bytes(2 << 30)))"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_memory_is_limited() -> None:
    """A process that allocates more fails."""
    done = subprocess.run([sys.executable, "-c", GREEDY], capture_output=True, text=True)
    assert done.returncode != 0
    assert "MemoryError" in done.stderr


def test_a_system_that_refuses_one_limit_has_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """As macOS does for the address space."""
    kept = []

    def refuse(kind: int, limits: tuple[int, int]) -> None:
        if kind == resource.RLIMIT_AS:
            raise ValueError("current limit exceeds maximum limit")
        kept.append(kind)

    monkeypatch.setattr(resource, "setrlimit", refuse)
    limit()
    assert kept == [resource.RLIMIT_CPU, resource.RLIMIT_CORE]
