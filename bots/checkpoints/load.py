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
from bots.checkpoints.placement import compute_device
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
from bots.checkpoints.state_dict import LazyTensor, TensorRecipe, check_loading_info, state_dict
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

    `family` is the operator's choice, which distinguishes formats that differ by name only. `name`
    is the model's where the folder has another one, as in the hub's cache. Raises LoadError for an
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
        self.quantization_in_use: str | None = None
        """The quantized format and its kernels, for `GET /info`; None before loading, and where the
        weights are not quantized."""

    def _native(self, family: str | None) -> NativeModel:
        """The native model: by the format of the files, else by transformers' class or by the
        checkpoint's code. Raises LoadError for an unknown architecture."""
        original = find_format(self.config)
        if original is not None and original.weights is not None:
            native = load_function(original.weights)(self.config, family)
            assert isinstance(native, NativeModel)
            return native
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
            model = self._build(self.folder, None, placement | {"trust_remote_code": self.remote})
        else:
            model = self._load_tensors(shards, quantization, device, placement)
        self.quantization_in_use = self._describe_quantization(model, quantization)
        avoid_unfit_kernels(model)
        return model.eval()

    def _check(self, quantization: str) -> None:
        """Raise LoadError where `quantization` is impossible for these weights."""
        method = (self.config.get("quantization_config") or {}).get("quant_method")
        wrong = None
        if quantization in ON_LOAD and (self.quantized or method):
            wrong = f"These weights are quantized already, so {quantization} is not possible:"
        elif quantization == "int8" and self.remote:
            wrong = "The checkpoint's own code makes this model, so int8 is not possible:"
        elif quantization == "gptq" and not isinstance(self.quantized, GptqFormat):
            wrong = "These weights are not GPTQ; `chatzoo quantize` makes such ones:"
        elif quantization == "none" and method and not self.quantized:
            wrong = f"Weights of {method!r} cannot be made full-size:"
        if wrong:
            raise LoadError(f"{wrong} leave out --quantization.", param="quantization")
        if method in LIBRARIES.values():
            require(str(method), "This checkpoint")

    def _load_tensors(
        self, shards: Shards, quantization: str, device: str | None, placement: dict[str, Any]
    ) -> Any:
        """Load through a state dict of recipes: files that transformers cannot read, and int8."""
        self.native.config.__dict__.pop("quantization_config", None)
        device = device or compute_device(placement)
        tied = self._tied() if placement.get("offload_folder") else None
        if quantization == "int8":
            placement = placement | {"quantization_config": Int8Config(device)}
        if self.quantized is None or quantization == "none":
            recipes = dequantized_recipes(shards.names, self.quantized)
            tensors = state_dict(shards, recipes, self.native.targets, tied)
        else:
            tensors = self._repacked_tensors(shards, tied, device, placement["dtype"])
        model = self._build(None, tensors, placement)
        if (self.folder / "generation_config.json").is_file():
            model.generation_config = GenerationConfig.from_pretrained(self.folder)
        return model

    def _repacked_tensors(
        self, shards: Shards, tied: Mapping[str, str] | None, device: str, dtype: torch.dtype
    ) -> dict[str, LazyTensor]:
        """The state dict of quantized weights, repacked for the kernels of `device` and `dtype`.

        Also sets the quantization config by which transformers builds the quantized layers.
        """
        assert self.quantized is not None
        half = self._half(dtype)
        plan = plan_repack(shards, self.quantized, self.native.targets, device, dtype)
        self.native.config.quantization_config = {
            "quant_method": QUANTIZED,
            "layouts": plan.layouts,
            "half": half,
        }
        stored = {name: TensorRecipe((name,)) for name in shards.names if name not in plan.used}
        # With `half` the dtypes differ by tensor; for a GPU transformers converts on the way there.
        converted = dtype if device == "cpu" and half is None else None
        return state_dict(shards, stored, self.native.targets, tied, plan.recipes, converted)

    def _build(
        self,
        folder: Path | None,
        tensors: dict[str, LazyTensor] | None,
        placement: Mapping[str, Any],
    ) -> Any:
        """The native class with the weights of `folder` or of `tensors`; one of them is None.

        Raises LoadError that lists all tensors that do not fit.
        """
        model, info = self.native.model_class.from_pretrained(
            folder,
            config=self.native.config,
            state_dict=tensors,
            weights_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported below, all in one error
            **placement,
        )
        check_loading_info(info)
        return model

    def _describe_quantization(self, model: Any, quantization: str) -> str | None:
        if quantization in LIBRARIES:
            return described(quantization)
        how = "int8" if quantization == "int8" else self.quantized
        return f"{how} ({', '.join(kernels(model)) or 'full size'})" if how else None

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
