"""From a folder with a model's original files to the model, on its devices.

Architectures that transformers has under another name are mapped by their format; everything else
is what its config says. No code of the checkpoint runs unless it was asked for.
"""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    GenerationConfig,
    __version__,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from bots.checkpoints.formats.native_model import NativeModel, keep_names
from bots.checkpoints.quantized.formats import Gptq, format_of, unpacked
from bots.checkpoints.quantized.hf_quantizer import Int8Config, PackedConfig
from bots.checkpoints.quantized.libraries import LIBRARIES, described, quantization_config, require
from bots.checkpoints.quantized.repack import packed
from bots.checkpoints.shards import Progress, Shards, listed
from bots.checkpoints.state_dict import Lazy, Recipe, state_dict
from bots.errors import LoadError
from bots.json_files import read_json
from bots.layers.quantized import kernels
from bots.registry.formats import find_format, load_function
from bots.registry.registry import known_bots

_DELTA = re.compile(r"-delta(-v?[\d.]+)?/?$")
"""How repositories call weights that must be added to a base: vicuna-7b-delta-v1.1."""

ON_LOAD = ("int8", *LIBRARIES)
"""Ways in which weights are made smaller while they are read."""

_log = logging.getLogger(__name__)


def read_config(folder: Path) -> dict[str, Any]:
    """config.json, with quantize_config.json (AutoGPTQ) as its `quantization_config`.

    Raises LoadError when it is not there or is not JSON.
    """
    config = read_json(folder / "config.json")
    if (folder / "quantize_config.json").is_file():
        config.setdefault("quantization_config", read_json(folder / "quantize_config.json"))
    return config


class Checkpoint:
    """The files of one model and how they become a native one.

    `family` is the operator's choice where two formats differ by name only; `name` is the model's,
    where the folder is not called so. Raises LoadError for an architecture that nobody here knows.
    """

    def __init__(
        self,
        folder: Path,
        family: str | None = None,
        *,
        name: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        self.folder = folder
        if _DELTA.search(name or folder.name):
            raise LoadError(
                f"{name or folder.name} holds the difference to a base model and is none by itself:"
                " add it to its base first, by `chatzoo apply-delta`."
            )
        self.config = read_config(folder)
        self.remote = trust_remote_code and "auto_map" in self.config
        """Whether the checkpoint's own code runs."""
        self.native = self._native(family)
        self.quantised = format_of(self.config)
        self.runs: str | None = None
        """The quantised format and the kernels that run, once loaded."""

    def _native(self, family: str | None) -> NativeModel:
        found = find_format(self.config)
        if found is not None and found.weights is not None:
            made = load_function(found.weights)(self.config, family)
            assert isinstance(made, NativeModel)
            return made
        kind = self.config.get("model_type")
        if self.remote:
            return self._remote()
        if kind not in CONFIG_MAPPING_NAMES:
            raise LoadError(
                f"transformers {__version__} has no architecture {kind!r}, and ChatZoo has none of"
                f" its own. Known families: {', '.join(sorted(known_bots()))}."
                + (
                    " The checkpoint brings code; --trust-remote-code would run it."
                    if "auto_map" in self.config
                    else ""
                )
            )
        config = AutoConfig.from_pretrained(self.folder, trust_remote_code=False)
        mapping = (
            MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING
            if config.is_encoder_decoder
            else MODEL_FOR_CAUSAL_LM_MAPPING
        )
        if type(config) not in mapping:
            raise LoadError(f"The architecture {kind!r} generates no text.")
        return NativeModel(mapping[type(config)], config, keep_names)

    def _remote(self) -> NativeModel:
        files = listed({str(name) for name in self.config["auto_map"].values()})
        _log.warning("running code of the checkpoint %s: %s", self.folder, files)
        config = AutoConfig.from_pretrained(self.folder, trust_remote_code=True)
        return NativeModel(AutoModelForCausalLM, config, keep_names)

    def load(
        self, progress: Progress | None = None, quantization: str = "auto", **placement: Any
    ) -> Any:
        """The model, ready to answer.

        `quantization`: "auto" keeps weights as they are in the files, and so does "gptq", which
        refuses other files; "none" makes quantised ones full-size; "int8" and `LIBRARIES` quantise
        others. `placement` goes to `from_pretrained`: dtype,
        device_map, max_memory, offload_folder, tqdm_class. Raises LoadError when a file is damaged
        or missing, or a tensor is missing, not expected or of another shape.
        """
        self._check(quantization)
        if quantization in LIBRARIES:
            placement["quantization_config"] = quantization_config(quantization, placement["dtype"])
        shards = Shards(self.folder, progress)
        if quantization != "int8" and self._transformers_reads_folder(shards):
            where: Path | None = self.folder
            tensors = None
            placement["trust_remote_code"] = self.remote
        else:
            where = None
            tensors = self._tensors(shards, quantization, placement)
        model, info = self.native.model_class.from_pretrained(
            where,
            config=self.native.config,
            state_dict=tensors,
            weights_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # told below, all at once
            **placement,
        )
        _account(info)
        if where is None and (self.folder / "generation_config.json").is_file():
            model.generation_config = GenerationConfig.from_pretrained(self.folder)
        if how := "int8" if quantization == "int8" else self.quantised:
            self.runs = f"{how} ({', '.join(kernels(model)) or 'full size'})"
        if quantization in LIBRARIES:
            self.runs = described(quantization)
        return model.eval()

    def _check(self, quantization: str) -> None:
        """Raise LoadError where the weights cannot be had in this way."""
        own = (self.config.get("quantization_config") or {}).get("quant_method")
        wrong = None
        if quantization in ON_LOAD and (self.quantised or own):
            wrong = f"These weights are quantised already, so {quantization} is not possible:"
        elif quantization == "int8" and self.remote:
            wrong = "The checkpoint's own code makes this model, so int8 is not possible:"
        elif quantization == "gptq" and not isinstance(self.quantised, Gptq):
            wrong = "These weights are not GPTQ; `chatzoo quantize` makes such ones:"
        elif quantization == "none" and own and not self.quantised:
            wrong = f"Weights of {own!r} cannot be made full-size:"
        if wrong:
            raise LoadError(f"{wrong} leave out --quantization.", param="quantization")
        if own in LIBRARIES.values():
            require(str(own), "This checkpoint")

    def _tensors(
        self, shards: Shards, quantization: str, placement: dict[str, Any]
    ) -> dict[str, Lazy]:
        """The state dict; what transformers must know of quantised weights goes to `placement`."""
        targets, how, config = self.native.targets, self.quantised, self.native.config
        tied = self._tied() if placement.get("offload_folder") else None
        config.__dict__.pop("quantization_config", None)
        device = _computes_on(placement)
        if quantization == "int8":
            placement["quantization_config"] = Int8Config(device)
        if how is None or quantization == "none":
            return state_dict(shards, unpacked(shards.names, how), targets, tied)
        dtype, half = placement["dtype"], self._half(placement["dtype"])
        plan = packed(shards, how, targets, device, dtype)
        config.quantization_config = {
            "quant_method": PackedConfig.METHOD,
            "layouts": plan.layouts,
            "half": half,
        }
        stored = {name: Recipe((name,)) for name in shards.names if name not in plan.used}
        converted = dtype if device == "cpu" and half is None else None
        return state_dict(shards, stored, targets, tied, plan.recipes, converted)

    def _half(self, dtype: torch.dtype) -> torch.dtype | None:
        """What to keep the embedding and the head in where the model computes in float32."""
        named = self.config.get("dtype", self.config.get("torch_dtype"))
        half = {"float16": torch.float16, "bfloat16": torch.bfloat16}.get(str(named))
        return half if dtype == torch.float32 else None

    def _tied(self) -> Mapping[str, str]:
        """Tensors that are another one by a second name, under which accelerate looks for them on
        disk."""
        tied = getattr(self.native.config, "tie_word_embeddings", False)
        return self.native.model_class._tied_weights_keys or {} if tied else {}

    def _transformers_reads_folder(self, shards: Shards) -> bool:
        """Whether transformers reads the folder best by itself: safetensors of a class it has."""
        plain = self.native.targets is keep_names and self.quantised is None
        return self.remote or (plain and shards.files[0].suffix == ".safetensors")


def _computes_on(placement: Mapping[str, Any]) -> str:
    """ "cpu", or "cuda" where there is a GPU among the devices: what lies elsewhere goes there."""
    spread, limits = placement.get("device_map"), placement.get("max_memory")
    if isinstance(spread, dict):
        return "cpu" if set(spread.values()) <= {"cpu", "disk"} else "cuda"
    if limits:
        return "cuda" if any(where != "cpu" for where in limits) else "cpu"
    return "cuda" if torch.cuda.is_available() else "cpu"


def _account(info: Mapping[str, Any]) -> None:
    """Raise LoadError that lists what is missing, not expected, or of another shape."""
    faults = []
    if missing := info["missing_keys"]:
        faults.append(f"missing are {listed(missing)}")
    if unexpected := info["unexpected_keys"]:
        faults.append(f"not expected are {listed(unexpected)}")
    if mismatched := info["mismatched_keys"]:
        told = (f"{name} {list(has)} for {list(wants)}" for name, has, wants in mismatched)
        faults.append(f"of another shape are {listed(told)}")
    if errors := info.get("error_msgs"):
        faults.append("; ".join(str(error) for error in errors))
    if faults:
        raise LoadError(f"The checkpoint's tensors are not its model's: {'; '.join(faults)}.")
