"""Write a model's original files as native safetensors, which transformers and other tools read.

Tensors keep their numbers and dtype. GPTQ weights, MOSS's int4 and int8 among them, stay quantized
and get AutoGPTQ's names and metadata. ChatGLM's int8 and int4 have no format that transformers
reads, so they become full-size.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from bots.checkpoints.formats.native_model import keep_names
from bots.checkpoints.load import Checkpoint
from bots.checkpoints.load_tokenizer import find_tokenizer
from bots.checkpoints.quantized.formats import GptqFormat, dequantized_recipes, quantized_weights
from bots.checkpoints.shards import Shards
from bots.checkpoints.state_dict import LazyTensor, TensorRecipe, state_dict
from bots.checkpoints.tokenizers.export import declared, exported
from bots.checkpoints.tokenizers.files import VOCABULARIES
from bots.commands.writer import SHARD, Writer, as_json, small_files, with_family
from bots.errors import LoadError
from bots.json_files import read_json_if_present
from bots.progress import Progress

_OWN = ("config.json", "tokenizer_config.json", "quantize_config.json")


def write_native(
    folder: Path,
    out: Path,
    family: str,
    progress: Progress,
    *,
    name: str | None = None,
    dtype: torch.dtype | None = None,
    shard: int = SHARD,
) -> int:
    """Write the model in `folder` natively to the folder `out`; returns its weights' size in bytes.

    `name` is the model's where the folder has another one. `dtype` is that of floating numbers; by
    default they keep theirs, and dequantized weights are float16. The tokenizer's files are copied;
    where transformers reads them wrongly or not at all, a tokenizer.json is added. Memory: one
    shard and one tensor. Raises LoadError where there is nothing to convert or the files are
    damaged, ConfigError where `out` exists.
    """
    checkpoint = Checkpoint(folder, family, name=name)
    shards = Shards(folder, progress)
    native, how = checkpoint.native, checkpoint.quantized
    if native.targets is keep_names and shards.files[0].suffix == ".safetensors":
        raise LoadError(f"{str(folder)!r} has native safetensors already.")
    if how is None and (other := checkpoint.config.get("quantization_config")):
        method = other.get("quant_method") or other.get("method")
        raise LoadError(f"Weights that are quantized by {method!r} cannot be converted.")
    packed: dict[str, TensorRecipe] = {}
    if isinstance(how, GptqFormat):
        packed = dict(_gptq(shards, how, checkpoint))
        used = {name for recipe in packed.values() for name in recipe.sources}
        stored = {name: TensorRecipe((name,)) for name in shards.names if name not in used}
    else:
        stored = dequantized_recipes(shards.names, how)
        dtype = dtype or (torch.float16 if how else None)
    tensors = state_dict(shards, stored, native.targets, ready=packed)
    tokenizer = dict(_tokenizer(folder, checkpoint.config, family))
    with Writer(out, shard) as writer:
        kind = None
        for number, (name, lazy) in enumerate(sorted(tensors.items())):
            tensor = lazy[...]
            if tensor.is_floating_point() and name not in packed:
                tensor = tensor.to(dtype or tensor.dtype)
                kind = kind or tensor.dtype
            writer.add(name, tensor)
            progress("writing", (number + 1) / len(tensors))
        config = _config(checkpoint, family, kind)
        if isinstance(how, GptqFormat):
            config["quantization_config"] = gptq_config(how, tensors, checkpoint.config)
        writer.add_json("config.json", config)
        for file, text in tokenizer.items():
            writer.add_text(file, text)
        writer.copy(small_files(folder, lambda name: name in (*_OWN, *tokenizer)))
    return writer.size


def _gptq(
    shards: Shards, how: GptqFormat, checkpoint: Checkpoint
) -> Iterator[tuple[str, TensorRecipe]]:
    """The parts of quantized weights under the names of their native layers."""
    for weight, parts in quantized_weights(shards.names, how).items():
        targets = checkpoint.native.targets(weight)
        if targets is None or len(targets) != 1:
            raise LoadError(f"{weight} is quantized and has no native layer of its own.")
        stem = next(iter(targets)).removesuffix("weight")
        for part, name in zip(how.parts, parts, strict=True):
            yield stem + part, TensorRecipe((name,))


def gptq_config(
    how: GptqFormat, tensors: Mapping[str, LazyTensor], config: Mapping[str, Any]
) -> dict[str, Any]:
    """`quantization_config` as AutoGPTQ writes it: the source's values, else the tensors'."""
    size, ordered = -1, False  # -1: one group a layer, however many inputs it has
    for name, lazy in tensors.items():
        if name.endswith(".g_idx"):
            group = lazy[...].long()
            if group.any():
                size = int((group == 0).sum())
                ordered |= not torch.equal(group, torch.arange(len(group)) // size)
    measured = {"group_size": config.get("groupsize", size), "desc_act": ordered, "sym": False}
    declared = config.get("quantization_config") or {}
    return {
        **measured,
        **{name: declared[name] for name in measured if declared.get(name) is not None},
        "quant_method": "gptq",
        "bits": how.bits,
        "checkpoint_format": "gptq" if how.zero_offset else "gptq_v2",
    }


def _tokenizer(folder: Path, config: Mapping[str, Any], family: str) -> Iterator[tuple[str, str]]:
    """Name and text of the tokenizer's files that are not copied from the original."""
    path = folder / "tokenizer_config.json"
    declaration = read_json_if_present(path)
    declaration.pop("auto_map", None)  # its code is of the original folder
    load = find_tokenizer(folder, config, family)
    if load and any(path for pattern in VOCABULARIES for path in folder.glob(pattern)):
        tokenizer = load(folder)
        yield "tokenizer.json", exported(tokenizer)
        declaration = declared(tokenizer, declaration)
    if declaration:
        yield path.name, as_json(declaration)


def _config(checkpoint: Checkpoint, family: str, dtype: torch.dtype | None) -> dict[str, Any]:
    """config.json of the native class."""
    config: dict[str, Any] = checkpoint.native.config.to_dict()
    config.pop("quantization_config", None)
    config["architectures"] = [checkpoint.native.model_class.__name__]
    if dtype is not None:
        config["dtype"] = str(dtype).removeprefix("torch.")
    return with_family(config, family)
