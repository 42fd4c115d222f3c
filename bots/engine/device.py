"""Devices of a loaded model: where its inputs go, free and used memory, and full devices."""

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from bots.layers.half import HalfLinear
from bots.process_memory import free_memory, peak_resident


def input_device(model: Any) -> torch.device:
    """The device for the token ids of `model`: the one on which its embedding computes.

    accelerate keeps weights that fit on no device elsewhere, and the parameter itself is on "meta"
    then; the hook names the device to which it copies them for a step.
    """
    embedding = model.get_input_embeddings()
    where = getattr(getattr(embedding, "_hf_hook", None), "execution_device", None)
    if where is not None:
        return torch.device(where)
    device: torch.device = embedding.weight.device
    return device


def has_weights_on_disk(model: Any) -> bool:
    """Whether accelerate offloaded a part of the weights to disk, to be read in every pass."""
    return "disk" in (getattr(model, "hf_device_map", None) or {}).values()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device is full.

    torch has an exception for GPUs only. On a CPU its allocator raises a RuntimeError, which is
    recognised by its text.
    """
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def free_on(device: torch.device) -> int:
    """Free bytes of a device."""
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0]
        return free
    return free_memory()


def weight_bytes(model: Any) -> int:
    """Bytes of a model's weights in memory: shared tensors once, those on disk not at all."""
    packed = (layer.nbytes for layer in model.modules() if isinstance(layer, HalfLinear))
    tensors = (int(tensor.nbytes) for tensor in _tensors(model) if tensor.device.type != "meta")
    return sum(packed) + sum(tensors)


def peak_memory(device: torch.device) -> int | None:
    """Peak bytes of tensors on a GPU; on a CPU the peak resident size of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return peak_resident()


_MADV_PAGEOUT = 21
"""Linux's advice to reclaim pages now. Modified pages are not lost: they go to swap."""


def page_out_files(model: Any) -> None:
    """Release the resident pages of files that tensors of `model` are mapped from.

    safetensors maps a file as a whole, and it stays mapped while one tensor lies in it. Once most
    weights were copied elsewhere (prepacked, quantized), the file's pages would be a second copy of
    them. What is still used is read again from the page cache. Does nothing except on Linux.
    """
    if sys.platform != "linux":
        return
    used = [tensor.data_ptr() for tensor in _tensors(model) if _is_on_cpu(tensor)]
    libc = ctypes.CDLL(None)
    for line in Path("/proc/self/maps").read_text("utf-8", "surrogateescape").splitlines():
        span, *_, path = line.split(maxsplit=5)
        begin, end = (int(address, 16) for address in span.split("-"))
        if path.startswith("/") and any(begin <= address < end for address in used):
            size = ctypes.c_size_t(end - begin)
            libc.madvise(ctypes.c_void_p(begin), size, _MADV_PAGEOUT)


def _tensors(model: Any) -> Iterator[torch.Tensor]:
    """All tensors of a model once; tensor subclasses, such as torchao's, as their plain parts."""
    pending = [*model.parameters(), *model.buffers()]
    while pending:
        tensor = pending.pop()
        if hasattr(tensor, "__tensor_flatten__"):
            pending += [getattr(tensor, name) for name in tensor.__tensor_flatten__()[0]]
        else:
            yield tensor


def _is_on_cpu(tensor: torch.Tensor) -> bool:
    return bool(tensor.device.type == "cpu" and tensor.layout == torch.strided)
