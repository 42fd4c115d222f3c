"""The callback by which long work reports how far it is."""

from collections.abc import Callable

Progress = Callable[[str, float | None], None]
"""Called with the name of the stage and the fraction done, from 0 to 1, or None where unknown."""


def no_progress(stage: str, fraction: float | None) -> None:
    """A progress callback that does nothing."""
