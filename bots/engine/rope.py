"""What models ask of the way their prompt is put through them, because of their positions."""

from typing import Any

import torch

_FOLLOWS_LENGTH = ("dynamic", "longrope")
"""Kinds of rotary embedding whose frequencies depend on the length that is seen at once."""


def prefill_in_one(model: Any) -> bool:
    """Whether a prompt must go through the model in one piece.

    In pieces, a model that looks at its prompt in both directions would not see the later ones,
    and frequencies that follow the length would differ from piece to piece.
    """
    config = model.config.get_text_config()
    parameters = getattr(config, "rope_parameters", None) or {}
    kinds = {parameters.get("rope_type")}
    kinds |= {one.get("rope_type") for one in parameters.values() if isinstance(one, dict)}
    return getattr(model, "prefill_in_one", False) or not kinds.isdisjoint(_FOLLOWS_LENGTH)


def forget_lengths(model: Any) -> None:
    """Undo what longer requests left in dynamic frequencies, so that it cannot reach another.

    transformers does so itself when it sees a length within the original context; a request that
    begins longer than that would get the frequencies of the longest one before it.
    """
    for module in model.modules():
        if getattr(module, "rope_type", None) == "dynamic":
            first = torch.zeros(1, 1, dtype=torch.long, device=module.inv_freq.device)
            module(module.inv_freq, first)
