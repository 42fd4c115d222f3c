"""Where a model takes its tokens in, what room is there, and what is taken."""

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from bots.layers.half import HalfLinear
from bots.process_memory import free_memory, peak_resident


def input_device(model: Any) -> torch.device:
    """The device of the ids that `model` is given: where its embedding computes.

    accelerate keeps weights that fit on no device elsewhere, and the parameter itself is "meta";
    its hook knows where they come for a step.
    """
    embedding = model.get_input_embeddings()
    where = getattr(getattr(embedding, "_hf_hook", None), "execution_device", None)
    found: torch.device = embedding.weight.device
    return found if where is None else torch.device(where)


def free_on(device: torch.device) -> int:
    """Bytes that are free on a device now."""
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0]
        return free
    return free_memory()


def weight_bytes(model: Any) -> int:
    """Bytes of a model's tensors as they are held, shared ones once, those on disk not at all."""
    halved = (one.nbytes for one in model.modules() if isinstance(one, HalfLinear))
    held = (int(one.nbytes) for one in _tensors(model) if one.device.type != "meta")
    return sum(halved) + sum(held)


def peak_memory(device: torch.device) -> int | None:
    """The most bytes that tensors ever held on a GPU, or that were resident in the process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return peak_resident()


_MADV_PAGEOUT = 21
"""Linux's advice to take pages back now. What was written stays, for it goes to swap."""


def page_out_files(model: Any) -> None:
    """Let the system take back what is resident of the files that a model's tensors lie in.

    A file is mapped as a whole as long as one tensor lies in it, though the others were copied
    elsewhere; what is used is read again, from the page cache. Does nothing but on Linux.
    """
    if sys.platform != "linux":
        return
    used = [one.data_ptr() for one in _tensors(model) if _is_on_cpu(one)]
    libc = ctypes.CDLL(None)
    for line in Path("/proc/self/maps").read_text("utf-8", "surrogateescape").splitlines():
        span, *_, path = line.split(maxsplit=5)
        begin, end = (int(one, 16) for one in span.split("-"))
        if path.startswith("/") and any(begin <= one < end for one in used):
            size = ctypes.c_size_t(end - begin)
            libc.madvise(ctypes.c_void_p(begin), size, _MADV_PAGEOUT)


def _tensors(model: Any) -> Iterator[torch.Tensor]:
    """All tensors of a model once; those that libraries wrap, such as torchao, as they lie in
    memory."""
    found = [*model.parameters(), *model.buffers()]
    while found:
        one = found.pop()
        if hasattr(one, "__tensor_flatten__"):
            found += [getattr(one, name) for name in one.__tensor_flatten__()[0]]
        else:
            yield one


def _is_on_cpu(tensor: torch.Tensor) -> bool:
    return bool(tensor.device.type == "cpu" and tensor.layout == torch.strided)
