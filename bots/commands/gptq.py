"""Quantize a native checkpoint by GPTQ with the library GPTQModel.

The method: https://arxiv.org/abs/2210.17323.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from torch import nn

from bots.checkpoints.load_errors import MAX_REASON
from bots.checkpoints.shards import weight_files
from bots.commands.writer import add_missing_files, check_out, written_atomically
from bots.errors import BotError, ConfigError, LoadError
from bots.json_files import read_json
from bots.progress import Progress

GROUPS = (128, 64, 32)
"""Group sizes that kernels support, the one of the smallest checkpoint first."""
RESUMED = ("llama", "qwen3_moe")
"""Architectures (`model_type`) whose interrupted work GPTQModel 7.6 can resume. It refuses to start
with others (`validate_checkpoint_support` in its gptqmodel/looper/gptq_checkpoint.py)."""
_IN_MEMORY = ("gpt_neox",)
"""Architectures whose head GPTQModel 7.6 loses when it offloads finished layers to disk."""
_READABLE = ("model.safetensors", "model.safetensors.index.json")
"""Files by which GPTQModel recognises the model of unfinished work."""


def library() -> Any:
    """The parts of GPTQModel that are used. Raises ConfigError where it is not installed."""
    # By default it sizes its pool by the CPU, and crashes on machines with few cores.
    os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")
    try:
        with _quiet():
            from gptqmodel import GPTQModel, QuantizeConfig
            from gptqmodel.looper.checkpoint import (
                CheckpointConfig,
                CheckpointError,
                CheckpointStopped,
            )
    except ImportError as error:
        raise ConfigError(
            f"Making a GPTQ checkpoint needs GPTQModel: pip install 'chatzoo[gptq]'. ({error})",
            param="method",
        ) from error
    return SimpleNamespace(
        load=GPTQModel.load,
        QuantizeConfig=QuantizeConfig,
        CheckpointConfig=CheckpointConfig,
        Mismatch=CheckpointError,
        Stopped=CheckpointStopped,
    )


def not_resumed(folder: Path) -> str | None:
    """Why interrupted work on the model in `folder` cannot be resumed, None where it can."""
    kind = _kind(folder)
    if kind not in RESUMED:
        return f"GPTQModel keeps no unfinished work of {kind!r}"
    if not any((folder / name).is_file() for name in _READABLE):
        return "the weights are not called model.safetensors"
    # GPTQModel refuses files outside of the folder, and the hub's cache has links to such.
    for file in (folder / "config.json", *weight_files(folder)):
        if not file.resolve().is_relative_to(folder.resolve()):
            return "the model's files are links, as in the hub's cache"
    return None


def quantize(
    folder: Path,
    out: Path,
    calibration: Sequence[Sequence[int]],
    progress: Progress,
    *,
    bits: int,
    group_size: int,
    family: str = "auto",
) -> None:
    """Write the model in `folder`, native safetensors, with weights of `bits` to the folder `out`.

    `calibration` are rows of token ids like those that the model will see. `family` is noted in
    config.json unless it is "auto". Layers are quantized one at a time; finished ones are kept in
    `out`.work, so that interrupted work can be resumed, unless `not_resumed`. Raises ConfigError
    where GPTQModel is not installed, groups do not divide the inputs of a layer, or `out`.work is
    of other options; LoadError where GPTQModel fails; KeyboardInterrupt with a sentence when it was
    stopped and can be resumed.
    """
    progress("importing GPTQModel", None)
    gptqmodel = library()
    check_out(out)
    kept = out.with_name(f"{out.name}.work")
    stage = "quantizing"
    options: dict[str, Any] = {}
    if reason := not_resumed(folder):
        stage = "quantizing (starts from the beginning if interrupted)"
    else:
        options["checkpoint"] = gptqmodel.CheckpointConfig(path=kept)
    with written_atomically(out) as partial, _errors_as_ours(gptqmodel, folder, kept), _quiet():
        progress("loading the model", None)
        config = gptqmodel.QuantizeConfig(
            bits=bits, group_size=group_size, offload_to_disk=_kind(folder) not in _IN_MEMORY
        )
        model = gptqmodel.load(str(folder), config)
        check_groups(model.model, group_size)
        layers = model.model.config.get_text_config().num_hidden_layers
        progress(stage, 0.0)
        model.layer_callback = lambda layer_idx, submodule_finalized: progress(
            stage, (layer_idx + 1) / layers
        )
        rows = [
            {"input_ids": [list(row)], "attention_mask": [[1] * len(row)]} for row in calibration
        ]
        model.quantize(rows, batch_size=1, **options)
        progress("writing", None)
        model.save(str(partial))
        add_missing_files(folder, partial, family)
    if reason is None:
        shutil.rmtree(kept, ignore_errors=True)


def _kind(folder: Path) -> Any:
    return read_json(folder / "config.json").get("model_type")


@contextmanager
def _quiet() -> Iterator[None]:
    """Discard what is printed: the library's bars and banners."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        yield


@contextmanager
def _errors_as_ours(gptqmodel: Any, folder: Path, kept: Path) -> Iterator[None]:
    """Turn the library's errors into BotErrors of one sentence."""
    try:
        yield
    except BotError:
        raise
    except gptqmodel.Stopped as stopped:
        raise KeyboardInterrupt(
            f"Stopped. Run the same command again to go on; what is done is in {str(kept)!r}."
        ) from stopped
    except gptqmodel.Mismatch as error:
        raise ConfigError(
            f"{str(kept)!r} holds unfinished work that cannot go on: repeat the options that it was"
            f" begun with, or delete it. ({_reason(error)})",
            param="out",
        ) from error
    except Exception as error:  # it raises many kinds and documents none
        raise LoadError(f"Cannot quantize {str(folder)!r}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:MAX_REASON] or type(error).__name__


def check_groups(model: Any, group_size: int) -> None:
    """Raise ConfigError unless groups of `group_size` divide the inputs of every block's layer."""
    head = model.get_output_embeddings()
    inputs = {
        layer.in_features
        for layer in model.modules()
        if isinstance(layer, nn.Linear) and layer is not head
    }
    if wrong := sorted(size for size in inputs if size % group_size):
        fits = [str(group) for group in GROUPS if all(size % group == 0 for size in inputs)]
        hint = f" Use {' or '.join(fits)}." if fits else ""
        raise ConfigError(
            f"group-size: {group_size} does not divide layers of {wrong[0]} inputs.{hint}",
            param="group-size",
        )
