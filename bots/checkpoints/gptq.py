"""Makes a GPTQ checkpoint of a native one, by the library GPTQModel.

The method: https://arxiv.org/abs/2210.17323. Work that was interrupted goes on where it was.
"""

import os
import shutil
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from torch import nn

from bots.checkpoints.delta import small_files
from bots.checkpoints.shards import Progress
from bots.errors import ConfigError

GROUPS = (128, 64, 32)
"""Sizes of groups that kernels take; the first makes the smallest checkpoint."""


def quantize(
    folder: Path,
    out: Path,
    calibration: Sequence[Sequence[int]],
    progress: Progress,
    *,
    bits: int,
    group_size: int,
) -> None:
    """Write the model in `folder`, native safetensors, with weights of `bits` to the folder `out`.

    `calibration` are rows of token ids like those that the model will see. A layer at a time is in
    work; what is done is kept beside `out` until all is. Raises ConfigError where GPTQModel is not
    installed, or a group does not divide the inputs of a layer.
    """
    progress("importing GPTQModel", None)
    # With fewer workers than it likes it crashes on small machines.
    os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # its own bars and banners
        try:
            from gptqmodel import GPTQModel, QuantizeConfig
            from gptqmodel.looper.checkpoint import CheckpointConfig
        except ImportError as error:
            raise ConfigError(
                f"Making a GPTQ checkpoint needs GPTQModel: pip install 'chatzoo[gptq]'. ({error})",
                param="method",
            ) from error
        progress("loading the model", None)
        config = QuantizeConfig(bits=bits, group_size=group_size)
        model = GPTQModel.load(str(folder), config)
        check_groups(model.model, group_size)
        layers = model.model.config.get_text_config().num_hidden_layers
        progress("quantising", 0.0)
        model.layer_callback = lambda layer_idx, submodule_finalized: progress(
            "quantising", (layer_idx + 1) / layers
        )
        done = out.with_name(f"{out.name}.work")
        rows = [
            {"input_ids": [list(row)], "attention_mask": [[1] * len(row)]} for row in calibration
        ]
        model.quantize(rows, batch_size=1, checkpoint=CheckpointConfig(path=done))
        partial = out.with_name(f"{out.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        progress("writing", None)
        model.save(str(partial))
    for file in small_files(folder):
        if not (partial / file.name).exists():
            shutil.copyfile(file, partial / file.name)
    partial.rename(out)
    shutil.rmtree(done, ignore_errors=True)


def check_groups(model: Any, group_size: int) -> None:
    """Raise ConfigError unless groups of `group_size` divide the inputs of every block's layer."""
    head = model.get_output_embeddings()
    inputs = {
        layer.in_features
        for layer in model.modules()
        if isinstance(layer, nn.Linear) and layer is not head
    }
    if wrong := sorted(one for one in inputs if one % group_size):
        fits = [str(one) for one in GROUPS if all(size % one == 0 for size in inputs)]
        hint = f" Use {' or '.join(fits)}." if fits else ""
        raise ConfigError(
            f"group-size: {group_size} does not divide layers of {wrong[0]} inputs.{hint}",
            param="group-size",
        )
