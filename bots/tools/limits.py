"""What a tool's process may use of the machine. Knows nothing of the tools."""

SECONDS = 8
"""Processor time."""

MEMORY = 1 << 30
"""Bytes of address space; sympy itself takes a fifth of it."""


def limit() -> None:
    """Set the limits for this process; on Windows, which has none of these, only time is limited,
    by `bots.tools.sandbox`."""
    try:
        import resource
    except ModuleNotFoundError:
        return
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
