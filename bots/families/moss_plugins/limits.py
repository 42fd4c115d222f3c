"""Limits on processor time and memory of this process."""

from contextlib import suppress

SECONDS = 8
"""Most processor time."""

MEMORY = 1 << 30
"""Most bytes of address space; sympy itself takes a fifth of it."""


def limit() -> None:
    """Set the limits that the system supports.

    macOS refuses the limit on memory and Windows has no limits; `sandbox` limits the time anywhere.
    """
    try:
        import resource
    except ModuleNotFoundError:
        return
    for kind, most in (
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError):  # refused by the system, or a lower one is set already
            resource.setrlimit(kind, (most, most))
