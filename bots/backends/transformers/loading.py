"""From a `BotConfig` to a tokenizer and a model in memory, ready to decode.

Remote code stays off unless the config allows it; pickled weights are read with `weights_only`.
"""

from dataclasses import dataclass
from typing import Any

import torch

from bots.checkpoints.load import ON_LOAD, Checkpoint
from bots.checkpoints.load_errors import progress_bar
from bots.checkpoints.load_tokenizer import load_tokenizer
from bots.checkpoints.placement import Placement
from bots.checkpoints.source import ADAPTER_CONFIG, Source
from bots.engine.device import has_weights_on_disk, page_out_files
from bots.errors import ConfigError
from bots.json_files import read_json
from bots.layers.prepacked import Half, prepack
from bots.progress import Progress
from bots.settings import BotConfig


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Files of a model. `adapter` is a LoRA for the model in `base`, None for a whole model."""

    base: Source
    adapter: Source | None
    checkpoint: Checkpoint


def find_files(config: BotConfig, family: str | None, progress: Progress) -> ModelFiles:
    """Find and describe the model's files, weights excluded; fetch them from the hub if needed.

    Raises ConfigError where an adapter and a base model do not go together, LoadError where the
    architecture is unknown.
    """
    adapter, base = _adapter_and_base(config, progress)
    checkpoint = Checkpoint(
        base.small(),
        family,
        name=config.base_model or config.pretrained_path,
        trust_remote_code=config.trust_remote_code,
    )
    return ModelFiles(base, adapter, checkpoint)


def find_tokenizer(
    files: ModelFiles, config: BotConfig, family: str | None, progress: Progress
) -> Any:
    """Load the tokenizer at `tokenizer_path`, or else the one beside the model."""
    folder = files.checkpoint.folder
    if config.tokenizer_path:
        folder = _source(config, config.tokenizer_path, "tokenizer-path", progress).small()
    return load_tokenizer(
        folder, files.checkpoint.config, family, trust_remote_code=config.trust_remote_code
    )


def load_model(
    files: ModelFiles, config: BotConfig, placement: Placement, progress: Progress
) -> Any:
    """Read the weights in the dtype and onto the devices of `config`; put an adapter on them."""
    checkpoint = files.checkpoint
    native, quantization = checkpoint.native.config, config.quantization
    quantized = checkpoint.quantized is not None and quantization in ("auto", "gptq")
    half = _may_halve(checkpoint, quantization) and placement.halves(native)
    files.base.whole()
    model = checkpoint.load(
        progress,
        quantization,
        tqdm_class=progress_bar(progress),
        **placement.options(native, quantized=quantized, half=half),
    )
    if files.adapter is not None:
        from bots.checkpoints.adapter import put_on  # peft takes seconds to import

        progress("adapter", None)
        model = put_on(model, files.adapter.whole(), merge=config.merge_adapter)
    _prepack(model, config, half=half)
    return model


def _prepack(model: Any, config: BotConfig, *, half: bool) -> None:
    """Prepack the weights for the CPU's kernels, and give the memory of the files back."""
    if has_weights_on_disk(model):
        return
    kind = Half.NO
    if half:
        kind = Half.ROUNDED if config.dtype == "float16" else Half.LOSSLESS
    # An encoder-decoder model has layers with the names of siblings but different inputs.
    count = prepack(model, fuse=not model.config.is_encoder_decoder, half=kind)
    if count or config.quantization in ON_LOAD:
        # The prepacked copies belong to oneDNN or FBGEMM. The files stay mapped as long as one
        # tensor (an embedding, a norm) lies in them: their pages would be the weights once more.
        page_out_files(model)
    if half:
        model.config.dtype = torch.float16  # what /info shows: the weights' dtype


def _may_halve(checkpoint: Checkpoint, quantization: str) -> bool:
    """Whether float16 weights are possible: plain weights, in layers of known classes."""
    declared = checkpoint.config.get("quantization_config")
    quantized = checkpoint.quantized or declared or quantization in ON_LOAD
    return not quantized and not checkpoint.remote


def _adapter_and_base(config: BotConfig, progress: Progress) -> tuple[Source | None, Source]:
    """The adapter, if `pretrained_path` is one, and the model."""
    path, base = config.pretrained_path, config.base_model
    named = _source(config, path, "pretrained-path", progress)
    if not named.is_adapter():
        if base:
            raise ConfigError(
                f"{path!r} is a whole model and no adapter, so it takes no --base-model.",
                param="base-model",
            )
        return None, named
    if not base:
        trained_on = read_json(named.small() / ADAPTER_CONFIG).get("base_model_name_or_path")
        raise ConfigError(
            f"{path!r} is an adapter: name its base model with --base-model."
            f" (It was trained on {trained_on!r}.)",
            param="base-model",
        )
    return named, _source(config, base, "base-model", progress)


def _source(config: BotConfig, path: str, option: str, progress: Progress) -> Source:
    return Source(
        path,
        progress,
        revision=config.revision if path == config.pretrained_path else None,
        code=config.trust_remote_code,
        option=option,
        tqdm_class=progress_bar(progress),
    )
