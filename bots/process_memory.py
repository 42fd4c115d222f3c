"""How much memory this process can have and has had. Imports no model library."""

import re
import sys
from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")
"""Where Linux says what a container may have."""


def free_memory() -> int:
    """Bytes that can be taken without swapping, within the limit of the container."""
    free = int(psutil.virtual_memory().available)
    try:
        limit, used = (
            (_CGROUP / f"memory.{name}").read_text("ascii") for name in ("max", "current")
        )
        cached = re.search(
            r"^inactive_file (\d+)", (_CGROUP / "memory.stat").read_text("ascii"), re.M
        )
        # Pages of files count as used, but are given back when memory is short.
        left = int(limit) - int(used) + (int(cached[1]) if cached else 0)
    except (OSError, ValueError):  # no container, or "max": no limit
        return free
    return max(0, min(free, left))


def peak_resident() -> int | None:
    """The most bytes that were ever resident in this process; None on Windows.

    Linux's `ru_maxrss` is no less than what the process had that started this one, so it is not
    asked there.
    """
    if sys.platform == "linux":
        lines = Path("/proc/self/status").read_text("ascii", "replace").splitlines()
        most = next((line for line in lines if line.startswith("VmHWM:")), None)
        return int(most.split()[1]) * 1024 if most else None
    try:
        import resource
    except ModuleNotFoundError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
