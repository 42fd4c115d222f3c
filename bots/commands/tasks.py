"""Work on model files that the command line offers. Importing this imports no model library."""

import re
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bots.chatbot import Progress
from bots.commands.perplexity import Measured, measure
from bots.errors import ConfigError
from bots.registry.known import MODEL_NAME_TO_MODEL_DICT
from bots.registry.registry import check_path, choose_bot, family_of, find_bot, is_gguf
from bots.settings import BotConfig

DTYPES = ("float32", "bfloat16", "float16")


def convert(
    model: str,
    out: Path,
    progress: Progress,
    *,
    family: str | None = None,
    dtype: str | None = None,
) -> int:
    """Write a model's original files natively to `out`; see `bots.commands.convert`.

    `model` is a folder or a hub id; `family` is told by it unless given. Returns the bytes of its
    weights. Raises ConfigError or LoadError.
    """
    if dtype not in (None, *DTYPES):
        raise ConfigError(f"dtype: {dtype!r} is none of {', '.join(DTYPES)}.", param="dtype")
    _check(out, model=model)
    family = family or family_of(model)
    find_bot(family=family)
    import torch

    from bots.checkpoints.load_errors import one_sentence
    from bots.commands.convert import convert as write

    chosen = getattr(torch, dtype) if dtype else None
    folder = _fetched(model, progress, "model")
    with one_sentence("convert", model):
        return write(folder, out, family, progress, name=model, dtype=chosen)


def apply_delta(
    base: str, delta: str, out: Path, progress: Progress, *, family: str | None = None
) -> int:
    """Write base + delta to `out`; see `bots.commands.apply_delta`.

    `family` is told by the name of the delta or the base unless given. Returns the bytes of its
    weights. Raises ConfigError or LoadError.
    """
    _check(out, base=base, delta=delta)
    family = family or next((found for one in (delta, base) if (found := _named(one))), "auto")
    find_bot(family=family)
    from bots.checkpoints.load_errors import one_sentence
    from bots.commands.apply_delta import apply_delta as write

    old, new = _fetched(base, progress, "base"), _fetched(delta, progress, "delta")
    with one_sentence("add the delta", delta):
        return write(old, new, out, progress, family=family)


def is_recognised(folder: Path) -> bool:
    """Whether a folder that was made is served without `--type`: its prompt is known."""
    if family_of(str(folder)) != "auto" or (folder / "chat_template.jinja").is_file():
        return True
    try:
        return "chat_template" in (folder / "tokenizer_config.json").read_text("utf-8")
    except OSError:
        return False


def _check(out: Path, **models: str) -> None:
    """Raise ConfigError where a path cannot be that of a model's files, or `out` is taken."""
    for option, path in models.items():
        check_path(path)
        if is_gguf(path) or path.startswith(("http://", "https://")):
            kind = "a GGUF file" if is_gguf(path) else "a URL"
            raise ConfigError(
                f"{option}: {path!r} is {kind}; name a folder with original files or a hub id.",
                param=option,
            )
    from bots.commands.writer import check_out

    check_out(out)


def _fetched(path: str, progress: Progress, option: str) -> Path:
    """The folder with the model's files."""
    from bots.checkpoints.load_errors import loading, progress_bar
    from bots.checkpoints.source import Source

    with loading("files", path, progress):
        return Source(path, progress, option=option, tqdm_class=progress_bar(progress)).whole()


def _named(path: str) -> str | None:
    """The family that a path tells, or one whose model is called as it is but for "-delta"."""
    if (family := family_of(path)) != "auto":
        return family
    name = re.sub("-delta", "", Path(path).name.lower())
    known = {id_.rpartition("/")[2].lower(): one for id_, one in MODEL_NAME_TO_MODEL_DICT.items()}
    return known.get(name)


METHODS = {"gptq": (4, 2, 3, 8), "bnb": (4, 8), "torchao": (8,)}
"""Ways to quantise, and the bits that each can make, the usual ones first."""
GROUP_SIZE = 128
ROW, ROWS = 512, 128
"""Tokens of a row of calibration, and how many rows at most."""
HELD_BACK = 0.1
"""Share of the calibration's text that only judges the result."""


@dataclass(frozen=True)
class Form:
    """A checkpoint as it is loaded by default: bytes of its weight files, and what it is like."""

    size: int
    measured: Measured


@dataclass(frozen=True)
class Quantised:
    """What a quantisation took, in seconds, and made; why interrupted work began anew, if so."""

    seconds: float
    before: Form
    after: Form
    not_resumed: str | None = None


def quantize(
    model: str,
    out: Path,
    progress: Progress,
    *,
    calibration: Path,
    method: str = "gptq",
    bits: int | None = None,
    group_size: int | None = None,
) -> Quantised:
    """Write a quantised form of a native model to `out`, and compare the two.

    `calibration` is a text like those that the model will see; its last tenth is left out of the
    calibration and judges the result. Only GPTQ calibrates, and only it has groups. Raises
    ConfigError or LoadError, and KeyboardInterrupt with a sentence where the same call would go on.
    """
    if method not in METHODS:
        raise ConfigError(f"method: {method!r} is none of {', '.join(METHODS)}.", param="method")
    able = METHODS[method]
    bits = bits or able[0]
    if bits not in able:
        told = " or ".join(map(str, sorted(able)))
        raise ConfigError(f"bits: {bits} is not possible with {method}: {told}.", param="bits")
    if group_size is not None and method != "gptq":
        raise ConfigError(f"group-size: {method} has no groups.", param="group-size")
    _check(out, model=model)
    text = _text(calibration)
    family = family_of(model)

    from bots.checkpoints.formats.native_model import keep_names
    from bots.checkpoints.load import Checkpoint
    from bots.checkpoints.load_errors import one_sentence
    from bots.checkpoints.quantized import libraries
    from bots.commands import gptq

    folder = _fetched(model, progress, "model")
    with one_sentence("quantise", model):
        checkpoint = Checkpoint(folder, name=model)
    if checkpoint.quantised or checkpoint.config.get("quantization_config"):
        raise ConfigError(f"{model!r} is quantised already.", param="model")
    if checkpoint.native.targets is not keep_names:
        raise ConfigError(
            f"{model!r} has original files: make them native first, by `chatzoo convert`.",
            param="model",
        )
    way = {"bnb": f"bnb-{bits}bit", "torchao": "torchao-int8"}.get(method)
    reason = None
    if way:
        libraries.require(libraries.LIBRARIES[way], f"--method {method}")
    else:
        gptq.library()
        if reason := gptq.not_resumed(folder):
            progress(f"interrupted work would begin anew: {reason}", None)
    before, rows, ids = _before(model, text, progress)
    begun = time.monotonic()
    if way:
        with one_sentence("quantise", model):
            _by_library(checkpoint, out, way, progress, family)
    else:
        size = group_size or GROUP_SIZE
        gptq.quantize(folder, out, rows, progress, bits=bits, group_size=size, family=family)
    seconds = time.monotonic() - begun
    progress("judging", None)
    bot = _loaded(str(out), family, progress)
    try:
        after = Form(_size(out), measure(bot, ids))
    finally:
        bot.close()
    return Quantised(seconds, before, after, reason)


def _by_library(checkpoint: Any, out: Path, way: str, progress: Progress, family: str) -> None:
    """Write a checkpoint as one of `bots.checkpoints.quantized.libraries` keeps it in memory."""
    from bots.checkpoints.placement import Placement
    from bots.commands.writer import complete, whole

    with closing(Placement(BotConfig())) as placement, whole(out) as partial:
        place = placement.options(checkpoint.native.config, half=True)
        model = checkpoint.load(progress, way, **place)
        progress("writing", None)
        model.save_pretrained(partial)
        complete(checkpoint.folder, partial, family)


def _before(
    model: str, text: str, progress: Progress
) -> tuple[Form, Sequence[Sequence[int]], Sequence[int]]:
    """What the model is like; the calibration's rows of ids, and the ids that judge."""
    bot = _loaded(model, None, progress)
    try:
        ids = bot.tokenizer.encode(text, add_special_tokens=False)
        kept = len(ids) - int(len(ids) * HELD_BACK)
        row = min(ROW, bot.info().context_length or ROW)
        rows = [ids[at : min(at + row, kept)] for at in range(0, kept, row)][:ROWS]
        judging = ids[kept:]
        if len(judging) < ROW // 8:
            raise ConfigError(
                f"calibration: {len(ids)} tokens are too few; give some thousands.",
                param="calibration",
            )
        folder = Path(bot.checkpoint.folder)
        return Form(_size(folder), measure(bot, judging)), rows, judging
    finally:
        bot.close()


def _loaded(path: str, family: str | None, progress: Progress) -> Any:
    bot: Any = choose_bot(path, family=family)(BotConfig(path))
    bot.load(progress)
    return bot


def _size(folder: Path) -> int:
    from bots.checkpoints.shards import weight_files

    return sum(file.stat().st_size for file in weight_files(folder))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"calibration: cannot read {str(path)!r}: {error}.", param="calibration"
        ) from error
