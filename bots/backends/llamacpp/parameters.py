"""What llama.cpp needs to know before it loads a file: threads, memory, devices, context.

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
_CACHE_FLOOR = 768 * _MIB
_UNKNOWN_CONTEXT = 4096
_LEAST_CONTEXT = 512
_PROMPT_CACHE_MIB = 512
_BATCH = 128


def binding() -> Any:
    """The xllamacpp module. Raises LoadError where it is not installed."""
    try:
        import xllamacpp
    except ImportError as error:
        raise LoadError(
            f"GGUF files need the package 'xllamacpp' ({error})."
            " Install it with: pip install 'chatzoo[llamacpp]'."
        ) from error
    return xllamacpp


def parameters(
    xllamacpp: Any, path: str, header: GgufHeader, socket: Path, slots: int, config: BotConfig
) -> Any:
    """The parameters of a server that listens on a Unix socket only and says errors only."""
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.hostnames = [str(socket)]
    params.ui = False
    params.endpoint_slots = True
    params.n_threads_http = 2
    params.verbosity = 1  # above it, llama.cpp writes lines for every request
    params.prefill_assistant = False  # a last turn of the assistant is a turn like any other
    params.warmup = False
    params.cpuparams.n_threads = thread_count(config.threads)
    on_gpu = _place(xllamacpp, params, config.devices)
    params.fit_params = on_gpu
    params.n_parallel = slots
    params.kv_unified = False  # else one long conversation could take the room of all
    params.n_ctx = slots * context_for(header, slots, free_memory())
    # A stop is looked at between batches. On a CPU a larger batch is not faster (measured).
    params.n_batch = max(512 if on_gpu else _BATCH, slots)
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    return params


def read_ahead(path: str, header: GgufHeader, progress: Progress) -> None:
    """Bring a file that fits into the page cache, with progress.

    llama.cpp loads without giving progress and without letting other Python threads run, so the
    slow part is done before.
    """
    if header.bytes > free_memory() // 2:
        return
    size, done = Path(path).stat().st_size, 0
    with Path(path).open("rb", buffering=0) as stream:
        while chunk := stream.read(8 * _MIB):
            done += len(chunk)
            progress("reading the file", min(done / size, 1.0))


def thread_count(chosen: int | None = None) -> int:
    """The chosen number, else `OMP_NUM_THREADS`, or the cores we may use.

    Raises LoadError for a value that is no positive number.
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


def context_for(header: GgufHeader, slots: int, memory: int) -> int:
    """Tokens of one slot's context, a multiple of 256.

    What the model was trained for; less where the keys and values of all slots would take more
    memory than the weights (768 MiB for small models), or more than a quarter of what is free.
    """
    trained = header.context_length or _UNKNOWN_CONTEXT
    per_token = header.cache_bytes_per_token
    if not per_token:
        return trained
    budget = min(max(_CACHE_FLOOR, header.bytes), memory // 4)
    room = budget // per_token // slots
    if room >= trained:
        return trained
    return min(trained, max(_LEAST_CONTEXT, room // 256 * 256))


def _place(xllamacpp: Any, params: Any, devices: str) -> bool:
    """Put the layers on GPUs, or not; returns whether a GPU is used. Raises LoadError."""
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
