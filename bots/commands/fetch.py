"""Fetch the built-in model before a worker needs it."""

from bots.progress import Progress


def fetch_builtin(progress: Progress) -> None:
    """Put every form of the built-in model into the cache, hashes checked. Raises LoadError."""
    from bots.checkpoints import builtin

    builtin.verify(progress)
