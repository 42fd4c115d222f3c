"""How much memory this process has had. Imports no model library."""

import sys


def peak_resident() -> int | None:
    """The most bytes that were ever resident in this process; None on Windows."""
    try:
        import resource
    except ModuleNotFoundError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
