"""The dtype and devices of a model: the placement arguments of `from_pretrained`."""

import re
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import get_max_memory
from accelerate.utils.modeling import convert_file_size_to_int

from bots.checkpoints import builtin
from bots.errors import ConfigError, LoadError
from bots.layers.half import can_halve
from bots.settings import BotConfig

Memory = dict[int | str, int]
"""Bytes by GPU number, and by "cpu"."""


class Placement:
    """Dtype and devices by a `BotConfig`. `close` removes the weights offloaded to disk."""

    def __init__(self, config: BotConfig) -> None:
        self._config = config
        self._offload: tempfile.TemporaryDirectory[str] | None = None

    def options(
        self, config: Any, *, quantized: bool = False, half: bool = False
    ) -> dict[str, Any]:
        """The arguments of `from_pretrained` for a model with this config of transformers.

        `quantized`: the weights are quantized and stay so. `half`: they keep the files' dtype, and
        become float16 layers after loading (`halves`).
        """
        spread = "auto" if self._config.max_memory else self.device_map()
        return {
            "dtype": _stored(config) if half else self.dtype(config, quantized=quantized),
            "device_map": spread,
            "max_memory": self.max_memory(),
            "offload_folder": self._offload_folder() if spread == "auto" else None,
        }

    def dtype(self, config: Any, *, quantized: bool = False) -> torch.dtype:
        """The dtype to compute in: the configured one, else the checkpoint's.

        For quantized weights on a CPU it is bfloat16, in which the kernels are fast.
        """
        wanted = self._config.dtype
        if quantized and wanted == "auto" and not self.gpus():
            return torch.bfloat16
        chosen = _stored(config) if wanted == "auto" else getattr(torch, wanted)
        if chosen == torch.float16 and not self.gpus():
            warnings.warn("float16 is slow and coarse on a CPU: using float32", stacklevel=2)
            return torch.float32
        assert isinstance(chosen, torch.dtype)
        return chosen

    def halves(self, config: Any) -> bool:
        """Whether to store float16 weights and compute in float32 (`bots.layers.half`).

        On a CPU: where float16 is configured, or where the checkpoint is in half precision, so that
        nothing is lost, and the CPU does not multiply bfloat16 itself, which is faster still.
        """
        stored, wanted = _stored(config), self._config.dtype
        if self.gpus() or self._config.max_memory or not can_halve():
            return False
        if wanted == "auto" and stored == torch.bfloat16:
            return not has_fast_bfloat16()
        return wanted == "float16" or (wanted == "auto" and stored == torch.float16)

    def gpus(self) -> list[int]:
        """The numbers of the GPUs to use. Raises LoadError for one that does not exist."""
        there = torch.cuda.device_count() if torch.cuda.is_available() else 0
        wanted = self._config.devices
        if wanted in ("auto", "cpu"):
            return list(range(there)) if wanted == "auto" else []
        try:
            numbers = [int(part.removeprefix("cuda:")) for part in wanted.split(",")]
        except ValueError:
            raise LoadError(
                f"devices: {wanted!r} is none of auto, cpu, or GPU numbers such as 0,1.",
                param="devices",
            ) from None
        if missing := [number for number in numbers if number not in range(there)]:
            raise LoadError(
                f"devices: there is no GPU {missing[0]}; this machine has {there}.", param="devices"
            )
        return numbers

    def device_map(self) -> str | dict[str, Any]:
        """One device for the whole model, or "auto" where accelerate spreads it."""
        gpus = self.gpus()
        if not gpus:
            return {"": "cpu"}
        return {"": gpus[0]} if len(gpus) == 1 and self._config.devices != "auto" else "auto"

    def max_memory(self) -> Memory | None:
        """Bytes that accelerate may fill on each device; None for all, without the disk."""
        gpus, limits = self.gpus(), parse_memory(self._config.max_memory)
        if unknown := [where for where in limits if where != "cpu" and where not in gpus]:
            raise LoadError(
                f"max-memory: GPU {unknown[0]} is not among the devices to use.", param="max-memory"
            )
        if not limits and (self._config.devices in ("auto", "cpu") or len(gpus) < 2):
            return None
        there: Memory = get_max_memory()
        return {
            where: limits.get(where, size)
            for where, size in there.items()
            if where in gpus or where == "cpu"
        }

    def _offload_folder(self) -> str:
        """The folder for weights that fit nowhere else.

        It is on the disk of the cache, because `/tmp` often is memory.
        """
        if self._offload is None:
            parent = Path(self._config.offload_folder or builtin.cache_folder().parent / "offload")
            try:
                parent.mkdir(parents=True, exist_ok=True)
                self._offload = tempfile.TemporaryDirectory(dir=parent, prefix="worker-")
            except OSError as error:
                raise LoadError(
                    f"Cannot make the offload folder in {str(parent)!r}: {error.strerror}.",
                    param="offload-folder",
                ) from error
        return self._offload.name

    def close(self) -> None:
        """Remove the offloaded weights. The model cannot compute after that."""
        if self._offload is not None:
            self._offload.cleanup()
            self._offload = None


def has_fast_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 itself (AVX-512 BF16 or AMX)."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _stored(config: Any) -> torch.dtype:
    """The dtype of a checkpoint's files by its config, float32 without one."""
    dtype = getattr(config.get_text_config(), "dtype", None) or torch.float32
    assert isinstance(dtype, torch.dtype)
    return dtype


def compute_device(placement: Mapping[str, Any]) -> str:
    """Where quantized layers compute: "cuda" where a GPU is among the devices, else "cpu".

    accelerate moves the weights of layers that lie in memory or on disk to the GPU to compute.
    """
    spread, limits = placement.get("device_map"), placement.get("max_memory")
    if isinstance(spread, dict):
        return "cpu" if set(spread.values()) <= {"cpu", "disk"} else "cuda"
    if limits:
        return "cuda" if any(where != "cpu" for where in limits) else "cpu"
    return "cuda" if torch.cuda.is_available() else "cpu"


def parse_memory(text: str | None) -> Memory:
    """`"0=20GiB,cpu=64GiB"` → bytes by GPU number and "cpu". Raises ConfigError."""
    limits: Memory = {}
    for part in text.split(",") if text else ():
        pair = re.fullmatch(r"\s*(\d+|cpu)\s*=\s*(\S+)\s*", part)
        if pair is None:
            raise ConfigError(
                f"max-memory: {part!r} is not of the form 0=20GiB or cpu=64GiB.", param="max-memory"
            )
        size = parse_size(pair[2], "max-memory")
        limits["cpu" if pair[1] == "cpu" else int(pair[1])] = size
    return limits


def parse_size(text: str | None, option: str) -> int:
    """`"4GiB"` → bytes, 0 for None. Raises ConfigError that names the option."""
    if text is None:
        return 0
    try:
        size: int = convert_file_size_to_int(text)
    except ValueError:
        raise ConfigError(
            f"{option}: {text!r} is no size, such as 20GiB or 500MB.", param=option
        ) from None
    return size
