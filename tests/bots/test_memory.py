"""The peak is this process's own."""

import subprocess
import sys

from bots.memory import peak_resident

CHILD = "from bots.memory import peak_resident; print(peak_resident())"
PARENT = f"""
import subprocess, sys
held = bytearray(b"1") * (300 << 20)
print(subprocess.run([sys.executable, "-c", {CHILD!r}], capture_output=True, text=True).stdout)
"""


def test_what_was_resident_counts_after_it_was_given_back() -> None:
    before = peak_resident()
    assert before is not None
    held = bytearray(b"1") * (before + (50 << 20))
    del held
    after = peak_resident()
    assert after is not None
    assert after > before + (50 << 20)


def test_what_the_parent_had_does_not_count() -> None:
    command = [sys.executable, "-c", PARENT]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) < 100 << 20
