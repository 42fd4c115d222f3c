"""Load a model from a folder with its original files onto its devices.

Architectures that transformers lacks or has under another name are mapped by their format
(`bots.registry.formats`); others are loaded by transformers. Code of the checkpoint runs only where
the operator allows it.
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
from bots.checkpoints.quantized.formats import GptqFormat, dequantized_recipes, quantized_format
from bots.checkpoints.quantized.hf_quantizer import QUANTIZED, Int8Config
from bots.checkpoints.quantized.libraries import (
    LIBRARIES,
    avoid_unfit_kernels,
    described,
    quantization_config,
    require,
)
from bots.checkpoints.quantized.repack import plan_repack
from bots.checkpoints.shards import WINDOW, Shards, listed
from bots.checkpoints.state_dict import LazyTensor, TensorRecipe, state_dict
from bots.errors import LoadError
from bots.json_files import read_json
from bots.layers.quantized import kernels
from bots.progress import Progress
from bots.registry.formats import find_format, load_function
from bots.registry.registry import known_bots

_DELTA = re.compile(r"-delta(-v?[\d.]+)?/?$")
"""The end of a repository's name whose weights are a difference to a base model."""

ON_LOAD = ("int8", *LIBRARIES)
"""Values of `--quantization` that quantize full-size weights while they are read."""

_log = logging.getLogger(__name__)


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json, with quantize_config.json (AutoGPTQ) as its `quantization_config`.

    Raises LoadError when config.json is missing or damaged.
    """
    config = read_json(folder / "config.json")
    if (folder / "quantize_config.json").is_file():
        config.setdefault("quantization_config", read_json(folder / "quantize_config.json"))
    return config


class Checkpoint:
    """The original files of one model, and the native model that they become.

    `family` is the operator's choice, which tells formats apart that differ by name only. `name` is
    the model's where the folder has another one, as in the hub's cache. Raises LoadError for an
    unknown architecture and for a delta, which is no model by itself.
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
        self.quantized = quantized_format(self.config)
        self.runs: str | None = None
        """The quantized format and its kernels, for `GET /info`; None before loading."""

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
        self,
        progress: Progress | None = None,
        quantization: str = "auto",
        *,
        device: str | None = None,
        window: int = WINDOW,
        **placement: Any,
    ) -> Any:
        """Load the model in evaluation mode.

        `quantization`: "auto" keeps the files' format; "gptq" too, but refuses files that are not
        GPTQ; "none" makes quantized weights full-size; "int8" and `LIBRARIES` quantize full-size
        ones. `device`, "cpu" or "cuda", is where quantized layers compute, detected unless given;
        `window` is that of `Shards`.
        `placement` goes to `from_pretrained`: dtype, device_map, max_memory, offload_folder,
        tqdm_class. Raises LoadError when a file is damaged or missing, or a tensor is missing,
        unexpected or of another shape.
        """
        self._check(quantization)
        if quantization in LIBRARIES:
            placement["quantization_config"] = quantization_config(quantization, placement["dtype"])
        shards = Shards(self.folder, progress, window=window)
        if quantization != "int8" and self._is_read_by_transformers(shards):
            where: Path | None = self.folder
            tensors = None
            placement["trust_remote_code"] = self.remote
        else:
            where = None
            tensors = self._tensors(shards, quantization, placement, device)
        model, info = self.native.model_class.from_pretrained(
            where,
            config=self.native.config,
            state_dict=tensors,
            weights_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported below, all in one error
            **placement,
        )
        _check_loading_info(info)
        if where is None and (self.folder / "generation_config.json").is_file():
            model.generation_config = GenerationConfig.from_pretrained(self.folder)
        if how := "int8" if quantization == "int8" else self.quantized:
            self.runs = f"{how} ({', '.join(kernels(model)) or 'full size'})"
        if quantization in LIBRARIES:
            self.runs = described(quantization)
        avoid_unfit_kernels(model)
        return model.eval()

    def _check(self, quantization: str) -> None:
        """Raise LoadError where `quantization` is impossible for these weights."""
        own = (self.config.get("quantization_config") or {}).get("quant_method")
        wrong = None
        if quantization in ON_LOAD and (self.quantized or own):
            wrong = f"These weights are quantized already, so {quantization} is not possible:"
        elif quantization == "int8" and self.remote:
            wrong = "The checkpoint's own code makes this model, so int8 is not possible:"
        elif quantization == "gptq" and not isinstance(self.quantized, GptqFormat):
            wrong = "These weights are not GPTQ; `chatzoo quantize` makes such ones:"
        elif quantization == "none" and own and not self.quantized:
            wrong = f"Weights of {own!r} cannot be made full-size:"
        if wrong:
            raise LoadError(f"{wrong} leave out --quantization.", param="quantization")
        if own in LIBRARIES.values():
            require(str(own), "This checkpoint")

    def _tensors(
        self, shards: Shards, quantization: str, placement: dict[str, Any], device: str | None
    ) -> dict[str, LazyTensor]:
        """The state dict. Adds the quantization config that transformers needs to `placement`."""
        targets, how, config = self.native.targets, self.quantized, self.native.config
        tied = self._tied() if placement.get("offload_folder") else None
        config.__dict__.pop("quantization_config", None)
        device = device or compute_device(placement)
        if quantization == "int8":
            placement["quantization_config"] = Int8Config(device)
        if how is None or quantization == "none":
            return state_dict(shards, dequantized_recipes(shards.names, how), targets, tied)
        dtype, half = placement["dtype"], self._half(placement["dtype"])
        plan = plan_repack(shards, how, targets, device, dtype)
        config.quantization_config = {
            "quant_method": QUANTIZED,
            "layouts": plan.layouts,
            "half": half,
        }
        stored = {name: TensorRecipe((name,)) for name in shards.names if name not in plan.used}
        # With `half` the dtypes differ by tensor; for a GPU transformers converts on the way there.
        converted = dtype if device == "cpu" and half is None else None
        return state_dict(shards, stored, targets, tied, plan.recipes, converted)

    def _half(self, dtype: torch.dtype) -> torch.dtype | None:
        """The files' half precision, for embedding and head of a model that computes in float32.

        They are not quantized, and as float32 they can weigh as much as all codes together.
        """
        named = self.config.get("dtype", self.config.get("torch_dtype"))
        half = {"float16": torch.float16, "bfloat16": torch.bfloat16}.get(str(named))
        return half if dtype == torch.float32 else None

    def _tied(self) -> Mapping[str, str]:
        """Second names of shared tensors; accelerate looks for those on disk."""
        tied = getattr(self.native.config, "tie_word_embeddings", False)
        return self.native.model_class._tied_weights_keys or {} if tied else {}

    def _is_read_by_transformers(self, shards: Shards) -> bool:
        """Whether transformers reads the folder itself: safetensors of a class that it has."""
        plain = self.native.targets is keep_names and self.quantized is None
        return self.remote or (plain and shards.files[0].suffix == ".safetensors")


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


def _check_loading_info(info: Mapping[str, Any]) -> None:
    """Raise LoadError that lists tensors that are missing, unexpected or of another shape."""
    faults = []
    if missing := info["missing_keys"]:
        faults.append(f"missing are {listed(missing)}")
    if unexpected := info["unexpected_keys"]:
        faults.append(f"not expected are {listed(unexpected)}")
    if mismatched := info["mismatched_keys"]:
        shapes = (f"{name} {list(has)} for {list(wants)}" for name, has, wants in mismatched)
        faults.append(f"of another shape are {listed(shapes)}")
    if errors := info.get("error_msgs"):
        faults.append("; ".join(str(error) for error in errors))
    if faults:
        raise LoadError(f"The checkpoint's tensors are not its model's: {'; '.join(faults)}.")
