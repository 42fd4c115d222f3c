"""Available memory, with and without a container, and the peak of this process."""

import subprocess
import sys
from pathlib import Path

import pytest

from bots.process_memory import free_memory

CHILD = "from bots.process_memory import peak_resident; print(peak_resident())"
PARENT = f"""
import subprocess, sys
held = bytearray(b"1") * (300 << 20)
print(subprocess.run([sys.executable, "-c", {CHILD!r}], capture_output=True, text=True).stdout)
"""


HELD_AND_RELEASED = """
from bots.process_memory import peak_resident
before = peak_resident()
held = bytearray(b"1") * (before + (50 << 20))
del held
print(peak_resident() - before)
"""


def test_the_peak_includes_memory_that_was_released() -> None:
    """In a small process: the whole of its memory is taken once more."""
    command = [sys.executable, "-c", HELD_AND_RELEASED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 50 << 20


def test_what_the_parent_had_does_not_count() -> None:
    command = [sys.executable, "-c", PARENT]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) < 100 << 20


def test_some_memory_is_available() -> None:
    assert free_memory() > 10 << 20


@pytest.mark.parametrize(
    ("limit", "stat", "free"),
    [("5000", "anon 1\ninactive_file 700\n", 3700), ("1000", "anon 1\n", 0)],
)
def test_the_limit_of_a_container(limit: str, stat: str, free: int, tmp_path: Path) -> None:
    for name, content in (("max", limit), ("current", "2000\n"), ("stat", stat)):
        (tmp_path / f"memory.{name}").write_text(content)
    assert free_memory(tmp_path) == free


def test_a_container_without_a_limit(tmp_path: Path) -> None:
    for name in ("max", "current", "stat"):
        (tmp_path / f"memory.{name}").write_text("max\n" if name == "max" else "2000\n")
    assert free_memory(tmp_path) > 10 << 20
