"""Models whose position encoding depends on the length of a forward pass.

Their prompt must go through the model in one piece, and a longer request must not change the
frequencies of the next one.
"""

from typing import Any

import torch

LENGTH_DEPENDENT = ("dynamic", "longrope")
"""Kinds of rotary embedding whose frequencies are computed from the length of each pass."""


def single_prefill_reason(model: Any) -> str | None:
    """Why a prompt must be one prefill, as a sentence; None where it may be cut into chunks.

    A model that attends to its prompt in both directions would not see later chunks, and
    frequencies that depend on the length would differ from chunk to chunk.
    """
    if getattr(model, "prefill_in_one", False):
        return "It attends to its prompt in both directions, so the prompt cannot be cut."
    parameters = getattr(model.config.get_text_config(), "rope_parameters", None) or {}
    # Models with several kinds of attention name parameters for each of them.
    nested = [value for value in parameters.values() if isinstance(value, dict)]
    kinds = {values.get("rope_type") for values in (parameters, *nested)}
    if dependent := kinds.intersection(LENGTH_DEPENDENT):
        kind = ", ".join(sorted(map(str, dependent)))
        return f"Its rotary frequencies ({kind}) depend on the length of the whole prompt."
    return None


def reset_dynamic_rope(model: Any) -> None:
    """Set dynamic frequencies back to those of a short text, before a request begins.

    transformers does so itself for a pass within the original context. A request whose first pass
    is longer would get the frequencies of the longest request before it.
    """
    for module in model.modules():
        if getattr(module, "rope_type", None) == "dynamic":
            first = torch.zeros(1, 1, dtype=torch.long, device=module.inv_freq.device)
            module(module.inv_freq, first)
