"""`chatzoo quantize`: write a quantized form of a native model, and compare the two."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bots.commands.model_files import check_paths, fetch_model
from bots.commands.perplexity import Measured, measure
from bots.errors import ConfigError
from bots.progress import Progress
from bots.registry.registry import choose_bot, family_of
from bots.settings import BotConfig

METHODS = {"gptq": (4, 2, 3, 8), "bnb": (4, 8), "torchao": (8,)}
"""Method → the bits that it can make, the default first."""

GROUP_SIZE = 128

ROW, ROWS = 512, 128
"""Tokens in a row of calibration, and how many rows at most. Time grows with both; GPTQ's authors
use 128 rows."""

HELD_BACK = 0.1
"""Share of the text that is not calibrated on. Perplexity is measured on it, for on the rest the
quantized model would look better than it is."""


@dataclass(frozen=True)
class CheckpointReport:
    """A checkpoint loaded with default options: bytes of its weight files, and measurements."""

    size: int
    measured: Measured


@dataclass(frozen=True)
class Comparison:
    """The model before and after, the seconds that quantizing took, and why interrupted work could
    not have been resumed, None where it could."""

    seconds: float
    before: CheckpointReport
    after: CheckpointReport
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
) -> Comparison:
    """Write a quantized form of a native model to the folder `out`, and compare the two.

    `calibration` is a text like those that the model will see; its last tenth only measures the
    result. Only GPTQ calibrates, and only it has groups. Raises ConfigError or LoadError, and
    KeyboardInterrupt with a sentence where the same call would resume the work.
    """
    bits = _check_options(method, bits, group_size)
    check_paths(out, model=model)
    text = _read_text(calibration)
    family = family_of(model)

    from bots.checkpoints.load_errors import one_sentence
    from bots.checkpoints.quantized import libraries
    from bots.commands import gptq

    folder = fetch_model(model, progress, "model")
    checkpoint = _native_checkpoint(folder, model)
    way = {"bnb": f"bnb-{bits}bit", "torchao": "torchao-int8"}.get(method)
    reason = None
    # A missing library is reported before the model is measured, which takes minutes.
    if way:
        libraries.require(libraries.LIBRARIES[way], f"--method {method}")
    else:
        gptq.library()
        if reason := gptq.not_resumed(folder):
            progress(f"an interrupted run would start from the beginning: {reason}", None)
    before, rows, ids = _before(model, text, progress)
    begun = time.monotonic()
    if way:
        with one_sentence("quantize", model):
            _write_by_library(checkpoint, out, way, progress, family)
    else:
        size = group_size or GROUP_SIZE
        gptq.quantize(folder, out, rows, progress, bits=bits, group_size=size, family=family)
    seconds = time.monotonic() - begun
    progress("judging", None)
    bot = _loaded(str(out), family, progress)
    try:
        after = CheckpointReport(_size(out), measure(bot, ids))
    finally:
        bot.close()
    return Comparison(seconds, before, after, reason)


def _check_options(method: str, bits: int | None, group_size: int | None) -> int:
    """The bits to make. Raises ConfigError for options that do not go together."""
    if method not in METHODS:
        raise ConfigError(f"method: {method!r} is none of {', '.join(METHODS)}.", param="method")
    able = METHODS[method]
    bits = bits or able[0]
    if bits not in able:
        possible = " or ".join(map(str, sorted(able)))
        raise ConfigError(f"bits: {bits} is not possible with {method}: {possible}.", param="bits")
    if group_size is not None and method != "gptq":
        raise ConfigError(f"group-size: {method} has no groups.", param="group-size")
    return bits


def _native_checkpoint(folder: Path, model: str) -> Any:
    """The checkpoint in `folder`. Raises ConfigError where it is quantized or not native."""
    from bots.checkpoints.formats.native_model import keep_names
    from bots.checkpoints.load import Checkpoint
    from bots.checkpoints.load_errors import one_sentence

    with one_sentence("quantize", model):
        checkpoint = Checkpoint(folder, name=model)
    if checkpoint.quantized or checkpoint.config.get("quantization_config"):
        raise ConfigError(f"{model!r} is quantized already.", param="model")
    if checkpoint.native.targets is not keep_names:
        raise ConfigError(
            f"{model!r} has original files: make them native first, by `chatzoo convert`.",
            param="model",
        )
    return checkpoint


def _write_by_library(
    checkpoint: Any, out: Path, way: str, progress: Progress, family: str
) -> None:
    """Quantize while loading, by a library of `bots.checkpoints.quantized.libraries`, and save."""
    from bots.checkpoints.placement import Placement
    from bots.commands.writer import add_missing_files, written_atomically

    with closing(Placement(BotConfig())) as placement, written_atomically(out) as partial:
        place = placement.options(checkpoint.native.config, half=True)
        model = checkpoint.load(progress, way, **place)
        progress("writing", None)
        model.save_pretrained(partial)
        add_missing_files(checkpoint.folder, partial, family)


def _before(
    model: str, text: str, progress: Progress
) -> tuple[CheckpointReport, Sequence[Sequence[int]], Sequence[int]]:
    """The model's report, the rows of ids to calibrate on, and the ids held back."""
    bot = _loaded(model, None, progress)
    try:
        ids = bot.tokenizer.encode(text, add_special_tokens=False)
        kept = len(ids) - int(len(ids) * HELD_BACK)
        row = min(ROW, bot.info().context_length or ROW)
        rows = [ids[at : min(at + row, kept)] for at in range(0, kept, row)][:ROWS]
        held_back = ids[kept:]
        # Fewer tokens than an eighth of a row give a perplexity that says nothing.
        if len(held_back) < ROW // 8:
            raise ConfigError(
                f"calibration: {len(ids)} tokens are too few; give some thousands.",
                param="calibration",
            )
        folder = Path(bot.checkpoint.folder)
        return CheckpointReport(_size(folder), measure(bot, held_back)), rows, held_back
    finally:
        bot.close()


def _loaded(path: str, family: str | None, progress: Progress) -> Any:
    bot: Any = choose_bot(path, family=family)(BotConfig(path))
    bot.load(progress)
    return bot


def _size(folder: Path) -> int:
    """Bytes of the weight files."""
    from bots.checkpoints.shards import weight_files

    return sum(file.stat().st_size for file in weight_files(folder))


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"calibration: cannot read {str(path)!r}: {error}.", param="calibration"
        ) from error
