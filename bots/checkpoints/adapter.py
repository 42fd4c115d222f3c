"""LoRA adapters on a base model, in peft's files of any age.

Source of the layouts: peft's `adapter_config.json` with `adapter_model.safetensors` or `.bin`;
before peft 0.3 the config had `enable_lora` and `merge_weights`, and trainers also saved the
adapter as `pytorch_model.bin`.
"""

import dataclasses
from pathlib import Path
from typing import Any

from peft import LoraConfig, LoraModel, set_peft_model_state_dict

from bots.checkpoints.shards import Shards, listed
from bots.checkpoints.source import ADAPTER_CONFIG
from bots.errors import LoadError
from bots.json_files import read_json
from bots.layers.quantized import QuantizedLinear

_FILES = ("adapter_model.safetensors", "adapter_model.bin", "pytorch_model.bin")
_OLD = {"enable_lora", "merge_weights"}
ADAPTER = "default"
"""peft's own name for the only adapter."""


def put_on(model: Any, folder: Path, *, merge: bool) -> Any:
    """Apply the LoRA adapter in `folder` to `model`: at each step, or merged into its weights.

    W' = W + lora_alpha / r · B · A (https://arxiv.org/abs/2106.09685). Raises LoadError when the
    adapter is no LoRA, or not one of this base.
    """
    if "disk" in (getattr(model, "hf_device_map", None) or {}).values():
        raise LoadError("An adapter needs its base in memory, but parts of it are on disk.")
    if merge and any(isinstance(module, QuantizedLinear) for module in model.modules()):
        raise LoadError(
            "An adapter cannot be merged into quantized weights: leave out --merge-adapter.",
            param="merge-adapter",
        )
    config = _config(folder)
    tensors = _tensors(folder)
    try:
        adapted = LoraModel(model, {ADAPTER: config}, ADAPTER)
        result: Any = set_peft_model_state_dict(adapted, tensors, ADAPTER)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise _other_base(reason) from error
    missing = [name for name in result.missing_keys if ".lora_" in name]
    if result.unexpected_keys or missing:
        faults = [f"it has {listed(result.unexpected_keys)}"] if result.unexpected_keys else []
        faults += [f"it lacks {listed(missing)}"] if missing else []
        raise _other_base("; ".join(faults))
    if merge:
        return adapted.merge_and_unload(safe_merge=True)
    return adapted.model.requires_grad_(False).eval()


def _config(folder: Path) -> LoraConfig:
    config = read_json(folder / ADAPTER_CONFIG)
    if config.get("peft_type") != "LORA":
        raise LoadError(
            f"The adapter is of the kind {config.get('peft_type')!r}; only LORA can be."
        )
    if config.get("enable_lora"):
        raise LoadError("The adapter has enable_lora, for fused layers of an old peft.")
    known = {field.name for field in dataclasses.fields(LoraConfig)}
    if unknown := [name for name in config if config[name] and name not in known | _OLD]:
        raise LoadError(f"The adapter's config has {listed(unknown)}, which peft does not know.")
    return LoraConfig(**{name: value for name, value in config.items() if name in known})


def _tensors(folder: Path) -> dict[str, Any]:
    for name in _FILES:
        if (folder / name).is_file():
            shards = Shards(folder / name)
            return {_name(name): shards.read(name) for name in shards.names}
    raise LoadError(f"{str(folder)!r} has no adapter weights: none of {', '.join(_FILES)}.")


def _name(saved: str) -> str:
    """The tensor's name without peft's prefix, and without the adapter's, which peft adds."""
    return saved.removeprefix("base_model.").replace(f".{ADAPTER}.", ".")


def _other_base(reason: str) -> LoadError:
    return LoadError(f"The adapter does not fit its base model, so it is of another one: {reason}.")
