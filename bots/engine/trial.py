"""Whether a loaded model can be run in ragged batches, and the reason where it cannot.

There is no list of models: a few tokens are run both ways and compared. A list would have to follow
every release of transformers, and models fail silently: with a wrong mask they still write fluent
text. What a trial of a few tokens cannot show (long windows, dynamic frequencies) is read from the
config.
"""

from typing import Any

import torch
from transformers import DynamicCache

from bots.engine.attention import Chunk
from bots.engine.causal import cache_argument
from bots.engine.kv_buckets import KVBuckets
from bots.engine.ragged_batch import RaggedBatchRunner
from bots.engine.rope import single_prefill_reason

TRIAL_ERRORS = (TypeError, ValueError, RuntimeError, AttributeError, AssertionError, LookupError)
"""What a model raises that cannot run a ragged batch. TypeError: its forward takes other arguments.
ValueError: it asks for an attention that is not computed, or refuses the mask. RuntimeError: shapes
that do not fit, or a full device. AttributeError, LookupError: it looks for a cache that is not
there, or has layers without attention (state-space models). AssertionError: its own checks.
Anything else is a bug and is raised."""


@torch.inference_mode()  # type: ignore[untyped-decorator]
def find_obstacle(runner: RaggedBatchRunner) -> str | None:
    """The reason why the model cannot be run in ragged batches, as one sentence.

    None where it can: then the model is left ready for them and `runner.token_bytes` is set.
    Otherwise the model is as before.
    """
    if reason := _structural_obstacle(runner):
        return reason
    try:
        reason = _failed_trial(runner)
    except TRIAL_ERRORS as error:
        message = " ".join(str(error).split())[:200]
        reason = f"A trial of a ragged batch failed ({type(error).__name__}: {message})."
    if reason is not None:
        runner.uninstall()
    return reason


def _structural_obstacle(runner: RaggedBatchRunner) -> str | None:
    """What the class and the config say, before anything is computed."""
    model = runner.model
    if model.config.is_encoder_decoder:
        return "It is an encoder-decoder model."
    if hasattr(model, "position_ids_of"):
        return "It computes its positions from the content of the whole prompt."
    if reason := single_prefill_reason(model):
        return reason
    if not runner.supported:
        return "Its attention does not go through transformers' attention interface."
    return None


def _failed_trial(runner: RaggedBatchRunner) -> str | None:
    """Run two sequences of different lengths both ways; the difference as a sentence, or None.

    The plain pass is the reference because it is what transformers itself computes for the model.
    The ragged passes contain all that the scheduler does: a prompt in two chunks, two prompts of
    different lengths in one pass, then one token each through a bucket.
    """
    size = runner.model.get_input_embeddings().num_embeddings
    # Any tokens do, as long as they differ: a repeated one would hide a wrong position.
    ids_a, ids_b = ((torch.arange(n, device=runner.device) * 7 + n) % size for n in (9, 5))
    plain = [_plain_logits(runner.model, ids) for ids in (ids_a, ids_b)]
    runner.install()
    a, b = runner.new_cache(), runner.new_cache()
    runner.forward([Chunk(a, ids_a[:4])])
    first = runner.forward([Chunk(a, ids_a[4:8]), Chunk(b, ids_b[:4])])
    runner.token_bytes = a.nbytes // a.capacity
    if not (a.complete and b.complete):
        return "Some layers keep state other than keys and values."
    buckets = KVBuckets()
    buckets.place(a)
    buckets.place(b)
    last = runner.forward([Chunk(b, ids_b[4:]), Chunk(a, ids_a[8:])])
    if not all(map(_window_matches, runner.model.modules())):
        return (
            "It applies its sliding window only through the attention mask, which a ragged batch"
            " does not use."
        )
    ragged = [torch.stack([first[0][0], last[1][0]]), torch.stack([first[1][0], last[0][0]])]
    tolerance = _tolerance(runner.model, plain[0].dtype)
    for logits, reference in zip(ragged, plain, strict=True):
        if not _is_close(logits, reference, tolerance):
            return "A trial of a ragged batch gave other logits than a plain pass."
    return None


def _plain_logits(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """Logits [2, vocabulary] of the last two tokens; the last one is a pass of its own."""
    cached = {cache_argument(model): DynamicCache(config=model.config)}
    rows = [
        model(input_ids=part[None], use_cache=True, **cached).logits[0, -1]
        for part in (ids[:-1], ids[-1:])
    ]
    return torch.stack(rows)


def _window_matches(module: Any) -> bool:
    """Whether the window that an attention passed to `ragged_attention` is that of the config.

    Some models apply a window by their mask alone, which a ragged batch does not read. The trial is
    shorter than a window, so its logits would not show it.
    """
    if not hasattr(module, "ragged_window"):
        return True
    config = module.config
    kinds = getattr(config, "layer_types", None)
    if kinds is not None:
        windowed = {"full_attention": False, "sliding_attention": True}.get(kinds[module.layer_idx])
        return windowed is (module.ragged_window is not None)
    chunked = getattr(config, "attention_chunk_size", None)
    return chunked is None and module.ragged_window == getattr(config, "sliding_window", None)


def _tolerance(model: Any, dtype: torch.dtype) -> float:
    """How far logits may differ, as a share of the largest: by rounding alone.

    In float32 the two ways differ by about 1e-6, a wrong mask or position by far more than 1e-4.
    Half precision and kernels of quantized layers, which round their inputs, differ by percents.
    """
    exact = all(getattr(module, "exact", True) for module in model.modules())
    return 1e-4 if exact and dtype == torch.float32 else 5e-2


def _is_close(logits: torch.Tensor, reference: torch.Tensor, tolerance: float) -> bool:
    scale = float(reference.float().abs().max()) or 1.0
    return float((logits - reference).float().abs().max()) <= scale * tolerance
