"""`chatzoo apply-delta`: add weights that were published as the difference to a base model."""

from pathlib import Path

from bots.commands.model_files import check_paths, family_of_delta, fetch_model
from bots.progress import Progress
from bots.registry.registry import find_bot


def apply_delta(
    base: str, delta: str, out: Path, progress: Progress, *, family: str | None = None
) -> int:
    """Write base + delta, each a folder or a hub id, to the folder `out`.

    `family` is that of the delta's or the base's name unless given. Returns the size of the weights
    in bytes. Raises ConfigError or LoadError.
    """
    check_paths(out, base=base, delta=delta)
    family = family or family_of_delta(base, delta)
    find_bot(family=family)  # raises where there is no such family
    from bots.checkpoints.load_errors import one_sentence
    from bots.commands.delta_sum import write_sum

    old, new = fetch_model(base, progress, "base"), fetch_model(delta, progress, "delta")
    with one_sentence("add the delta", delta):
        return write_sum(old, new, out, progress, family=family)
