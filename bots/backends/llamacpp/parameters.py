"""Parameters of llama.cpp's server: threads, memory, devices and context.

Knows this machine and the binding's parameter object; knows nothing of requests.
"""

import os
from pathlib import Path
from typing import Any

from bots.backends.llamacpp.gguf_header import GgufHeader
from bots.errors import LoadError
from bots.process_memory import free_memory
from bots.progress import Progress
from bots.settings import BotConfig

_MIB = 1 << 20

_MIN_CACHE_BUDGET = 768 * _MIB
"""Bytes of KV cache that small models may have, though their weights are smaller."""

_UNKNOWN_CONTEXT = 4096  # tokens, for a file without a context length
_MIN_CONTEXT = 512  # tokens, enough for a short conversation

_PROMPT_CACHE_MIB = 512
"""For the KV caches of earlier conversations, outside of the slots. llama.cpp's default of 8 GiB
is more than small machines have."""

_CPU_BATCH = 128
"""Tokens of a prompt in one forward pass on a CPU. A stop acts between two of them, and a larger
batch is not faster (measured)."""

_GPU_BATCH = 512


def import_binding() -> Any:
    """The xllamacpp module. Raises LoadError where it is not installed."""
    try:
        import xllamacpp
    except ImportError as error:
        raise LoadError(
            f"GGUF files need the package 'xllamacpp' ({error})."
            " Install it with: pip install 'chatzoo[llamacpp]'."
        ) from error
    return xllamacpp


def server_parameters(
    xllamacpp: Any, path: str, header: GgufHeader, socket: Path, slots: int, config: BotConfig
) -> Any:
    """The parameters of a server with this number of slots.

    It listens on the Unix socket only and logs errors only. Raises LoadError for devices that are
    not there.
    """
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.hostnames = [str(socket)]
    params.ui = False
    params.endpoint_slots = True
    params.n_threads_http = 2  # for templates and tokens, which are quick
    params.verbosity = 1  # errors; above it, llama.cpp logs prompts and a line for each request
    params.prefill_assistant = False  # else a last message of the assistant would be continued
    params.warmup = False  # it would only make the start slower
    params.cpuparams.n_threads = thread_count(config.threads)
    on_gpu = _choose_devices(xllamacpp, params, config.devices)
    params.fit_params = on_gpu  # fits the layers into GPU memory
    params.n_parallel = slots
    params.kv_unified = False  # else one long conversation could fill the KV cache of all
    params.n_ctx = slots * context_per_slot(header, slots, free_memory())
    # A decode step has a token of each slot, which must fit into one batch.
    params.n_batch = max(_GPU_BATCH if on_gpu else _CPU_BATCH, slots)
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    return params


def read_ahead(path: str, header: GgufHeader, progress: Progress) -> None:
    """Read the file once, so that llama.cpp finds it in the page cache; reports progress.

    llama.cpp reports no progress and holds the interpreter's lock while it loads, so the slow part
    is done before. A file of more than half of the free memory is left out: its first pages would
    be gone before llama.cpp reads them.
    """
    if header.bytes > free_memory() // 2:
        return
    size, done = Path(path).stat().st_size, 0
    with Path(path).open("rb", buffering=0) as stream:
        while chunk := stream.read(8 * _MIB):
            done += len(chunk)
            progress("reading the file", min(done / size, 1.0))


def thread_count(chosen: int | None = None) -> int:
    """The chosen number, else `OMP_NUM_THREADS`, else the cores that this process may use.

    Raises LoadError for a value that is not a positive number.
    """
    if chosen is not None:
        return chosen
    value = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if value:
        if not value.isdecimal() or int(value) < 1:
            raise LoadError(f"OMP_NUM_THREADS={value!r} is not a number of threads.")
        return int(value)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def context_per_slot(header: GgufHeader, slots: int, memory: int) -> int:
    """Tokens of one slot's context.

    It is the length that the model was trained for. It is less, in steps of 256, where the KV cache
    of all slots would take more memory than the weights (768 MiB for small models), or more than a
    quarter of the free `memory` (bytes).
    """
    trained = header.context_length or _UNKNOWN_CONTEXT
    per_token = header.cache_bytes_per_token
    if not per_token:
        return trained
    budget = min(max(_MIN_CACHE_BUDGET, header.bytes), memory // 4)
    affordable = budget // per_token // slots
    if affordable >= trained:
        return trained
    return min(trained, max(_MIN_CONTEXT, affordable // 256 * 256))


def _choose_devices(xllamacpp: Any, params: Any, devices: str) -> bool:
    """Set the devices of `params`; returns whether a GPU is among them. Raises LoadError."""
    if devices == "cpu":
        params.n_gpu_layers = 0
        return False
    kinds = xllamacpp.ggml_backend_dev_type
    gpu_kinds = (kinds.GGML_BACKEND_DEVICE_TYPE_GPU, kinds.GGML_BACKEND_DEVICE_TYPE_IGPU)
    there = sum(device["type"] in gpu_kinds for device in xllamacpp.get_device_info())
    if devices == "auto":
        return there > 0  # llama.cpp's own default: as many layers as fit
    try:
        numbers = {int(part.removeprefix("cuda:")) for part in devices.split(",")}
    except ValueError:
        raise LoadError(
            f"devices: {devices!r} is none of auto, cpu, or GPU numbers such as 0,1.",
            param="devices",
        ) from None
    if missing := sorted(number for number in numbers if number not in range(there)):
        raise LoadError(
            f"devices: llama.cpp sees {there} GPUs, so there is no GPU {missing[0]}."
            " The package from the index runs on the CPU only; builds for GPUs are in the"
            " documentation of xllamacpp.",
            param="devices",
        )
    params.main_gpu = min(numbers)
    params.tensor_split = [float(number in numbers) for number in range(len(params.tensor_split))]
    return True
