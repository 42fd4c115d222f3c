"""The limits of a tool's process."""

import subprocess
import sys

import pytest

resource = pytest.importorskip("resource")

GREEDY = "from bots.tools.limits import limit; limit(); print(len(bytes(2 << 30)))"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_memory_is_limited() -> None:
    """A process that wants more fails by itself."""
    done = subprocess.run([sys.executable, "-c", GREEDY], capture_output=True, text=True)
    assert done.returncode != 0
    assert "MemoryError" in done.stderr
