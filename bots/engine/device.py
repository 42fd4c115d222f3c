"""Where a model takes its tokens in, and what room is there."""

from typing import Any

import psutil
import torch


def input_device(model: Any) -> torch.device:
    """The device of the ids that `model` is given: where its embedding computes.

    accelerate keeps weights that fit on no device elsewhere, and the parameter itself is "meta";
    its hook knows where they come for a step.
    """
    embedding = model.get_input_embeddings()
    where = getattr(getattr(embedding, "_hf_hook", None), "execution_device", None)
    found: torch.device = embedding.weight.device
    return found if where is None else torch.device(where)


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a device now."""
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0]
        return free
    return int(psutil.virtual_memory().available)
