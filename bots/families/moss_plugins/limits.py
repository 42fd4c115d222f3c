"""What a tool's process may use of the machine. Knows nothing of the tools."""

from contextlib import suppress

SECONDS = 8
"""Processor time."""

MEMORY = 1 << 30
"""Bytes of address space; sympy itself takes a fifth of it."""


def limit() -> None:
    """Set the limits for this process, as far as the system has them.

    macOS refuses the one on memory, Windows has none; `sandbox` limits time anywhere.
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
        with suppress(ValueError):  # also where a lower one is set already
            resource.setrlimit(kind, (most, most))
