"""The sum of a base model's weights and a delta's, tensor by tensor.

Deltas (EduChat, Vicuna v1.1) are the model's weights minus the base's, computed in half precision.
The sum is in half precision too, for in another one it would not give the authors' weights back
(https://github.com/lm-sys/FastChat/blob/main/fastchat/model/apply_delta.py).
"""

import re
from pathlib import Path

import torch

from bots.checkpoints.shards import Shards, listed
from bots.commands.writer import SHARD, Writer, small_files, with_family
from bots.errors import LoadError
from bots.json_files import read_json
from bots.progress import Progress

_COMPUTED = ".rotary_emb.inv_freq"
"""The end of a buffer's name that old LLaMA files hold and models compute."""
_ROW_PER_TOKEN = re.compile(
    r"(.+\.)?(embed_tokens|tok_embeddings|word_embeddings|embed_in|embed_out|wte|shared|lm_head)"
    r"\.weight"
)
"""Embeddings and heads, the only tensors that grow with the vocabulary."""


def write_sum(
    base: Path,
    delta: Path,
    out: Path,
    progress: Progress,
    *,
    family: str = "auto",
    shard: int = SHARD,
) -> int:
    """Write base + delta to the folder `out`; returns its weights' size in bytes.

    `family` is noted in config.json unless it is "auto". Config and tokenizer are the delta's. Rows
    of embedding and head for tokens that the delta adds are copied from it. Memory: one shard and
    two tensors. Raises LoadError where the two do not fit together, ConfigError where `out` exists.
    """
    config = with_family(read_json(delta / "config.json"), family)
    old, new = Shards(base, progress), Shards(delta, progress)
    names = [name for name in sorted(new.names) if not name.endswith(_COMPUTED)]
    known = {name for name in old.names if not name.endswith(_COMPUTED)}
    for has, lacks, only in (
        ("delta", "base", set(names) - known),
        ("base", "delta", known - set(names)),
    ):
        if only:
            raise LoadError(
                f"The {has} has tensors that the {lacks} has not, so they are not of one"
                f" architecture: {listed(only)}."
            )
    for shards in (old, new):
        shards.expect(dict.fromkeys(names, 1))
    with Writer(out, shard) as writer:
        for number, name in enumerate(names):
            writer.add(name, _sum(name, old.read(name), new.read(name)))
            progress("adding", (number + 1) / len(names))
        writer.add_json("config.json", config)
        writer.copy(small_files(delta, lambda name: name == "config.json"))
    return writer.size


def _sum(name: str, base: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
    more = base.ndim > 0 and base.shape[1:] == delta.shape[1:] and len(base) < len(delta)
    if base.shape != delta.shape and not (more and _ROW_PER_TOKEN.fullmatch(name)):
        raise LoadError(
            f"{name} is {list(base.shape)} in the base and {list(delta.shape)} in the delta, so"
            " they are not of one architecture."
        )
    if base.shape == delta.shape:
        return delta + base.to(delta.dtype)
    total = delta.clone()
    total[: len(base)] += base.to(delta.dtype)
    return total
