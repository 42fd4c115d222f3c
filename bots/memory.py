"""How much memory this process has had. Imports no model library."""

import sys
from pathlib import Path


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
