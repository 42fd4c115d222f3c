"""Available memory and peak resident memory of this process."""

import re
import sys
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")
"""Folder in which Linux shows the memory limit and use of the container (cgroup v2)."""


def free_memory(cgroup: Path = CGROUP) -> int:
    """Bytes that can be allocated without swapping, within the limit of the container."""
    free = int(psutil.virtual_memory().available)
    try:
        limit, used = (
            (cgroup / f"memory.{name}").read_text("ascii") for name in ("max", "current")
        )
        cached = re.search(
            r"^inactive_file (\d+)", (cgroup / "memory.stat").read_text("ascii"), re.M
        )
        # Cached pages of files count as used, but the kernel frees them when memory is short.
        left = int(limit) - int(used) + (int(cached[1]) if cached else 0)
    except (OSError, ValueError):  # no container, or "max": no limit
        return free
    return max(0, min(free, left))


def peak_resident() -> int | None:
    """Peak resident memory of this process in bytes; None on Windows.

    On Linux, `ru_maxrss` includes the peak of the parent process at the fork, so `VmHWM` is read.
    """
    if sys.platform == "linux":
        lines = Path("/proc/self/status").read_text("ascii", "replace").splitlines()
        peak = next((line for line in lines if line.startswith("VmHWM:")), None)
        return int(peak.split()[1]) * 1024 if peak else None
    try:
        import resource
    except ModuleNotFoundError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, others KiB
