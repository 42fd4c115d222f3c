"""Where a model takes its tokens in, what room is there, and what is taken."""

import sys
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


def weight_bytes(model: Any) -> int:
    """Bytes of a model's tensors as they are held, shared ones once, those on disk not at all."""
    tensors = (*model.parameters(), *model.buffers())
    return sum(one.numel() * one.element_size() for one in tensors if one.device.type != "meta")


def peak_memory(device: torch.device) -> int | None:
    """The most bytes that tensors ever held on a GPU, or that were resident in the process.

    None on Windows, without a GPU.
    """
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ModuleNotFoundError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
