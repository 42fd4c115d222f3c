"""Which decoders a loaded model gets: continuous batching where it can, sequential otherwise."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bots.engine.beam import BeamDecoder, IsComplete
from bots.engine.decoder import Decoder, DecoderOutput
from bots.engine.device import has_weights_on_disk
from bots.engine.ragged_batch import RaggedBatchRunner
from bots.engine.scheduler import Scheduler
from bots.engine.sequential import SequentialDecoder
from bots.engine.trial import find_obstacle
from bots.streaming.pause import Pause

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decoders(Decoder):
    """The decoders of one model: `beams` for requests with `num_beams` over 1, `single` for others.

    `obstacle` is the reason why `single` does no continuous batching, as a sentence; None where it
    does.
    """

    single: Decoder
    beams: Decoder
    obstacle: str | None

    def decode(
        self, prompt: Sequence[int], settings: Any, stop: threading.Event
    ) -> Iterator[DecoderOutput | Pause]:
        """The answer by the decoder for these settings."""
        chosen = self.beams if settings.num_beams > 1 else self.single
        return chosen.decode(prompt, settings, stop)

    @property
    def cache_bytes(self) -> int | None:
        """Bytes of the KV caches of all requests; None without continuous batching."""
        return self.single.cache_bytes

    def close(self) -> None:
        """End the scheduler's thread, if there is one."""
        self.single.close()


def choose_decoders(
    model: Any,
    *,
    kv_memory: Callable[[], int],
    finite: bool = False,
    completion_of: Callable[[Any], IsComplete | None] = lambda settings: None,
) -> Decoders:
    """The decoders of a loaded model; logs once if it cannot be batched.

    `kv_memory` gives the bytes for KV caches. It is called once, where requests are batched, and
    after the trial: by default it is a share of the memory that is free then. `finite` and
    `completion_of` as in `BeamDecoder`.
    """
    single: Decoder
    runner, obstacle = _batch_runner(model)
    if runner is not None:
        single = scheduler = Scheduler(runner, kv_memory(), finite=finite)
        lock = scheduler.model_lock
    else:
        _log.warning("%s decodes one request at a time: %s", type(model).__name__, obstacle)
        single, lock = SequentialDecoder(model, finite=finite), None
    beams = BeamDecoder(model, finite=finite, completion_of=completion_of, model_lock=lock)
    return Decoders(single, beams, obstacle)


def _batch_runner(model: Any) -> tuple[RaggedBatchRunner | None, str | None]:
    """A runner for the model, or the reason why there is none."""
    if has_weights_on_disk(model):
        # Not even tried: each pass reads the weights from disk, and a trial takes several.
        return None, "A part of its weights is on disk and is read in every pass."
    runner = RaggedBatchRunner(model)
    obstacle = find_obstacle(runner)
    return (runner, None) if obstacle is None else (None, obstacle)
