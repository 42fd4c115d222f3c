"""Beam search and beam sampling that stream, by transformers' `generate` in a thread of its own.

`generate` returns only at its end. A logits processor, which it calls in each step, hands out the
best hypothesis so far and releases the model to others; a stopping criterion notices the stop.
Works for decoder-only and encoder-decoder models.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from bots.engine.decoder import Decoder, DecoderOutput
from bots.engine.device import input_device
from bots.engine.fair_lock import FairLock
from bots.engine.rope import reset_dynamic_rope
from bots.engine.sampler import COLDEST, MOST, CountPenalty, Finite

_ALL_OPTIONS = {name for name in vars(GenerationConfig()) if not name.startswith("_")}
_CHECKPOINT_OPTIONS = {
    "transformers_version",
    "bos_token_id",
    "decoder_start_token_id",
    "length_penalty",
    "early_stopping",
}
"""Options of `generate` that the checkpoint decides: how its beams are compared, and how a decoder
begins."""

QUEUE_POLL = 0.1
"""Seconds after which a request that waits for another beam search checks its stop again."""

IsComplete = Callable[[Sequence[int]], bool]
"""Whether an answer of these ids has come to its end, other than by a stop token."""


class BeamDecoder(Decoder):
    """Answers by `num_beams` hypotheses, of which the best so far is shown.

    At temperature 0 it is a search, else hypotheses are drawn. Hypotheses that `completion_of(
    settings)` accepts grow no more. Each step holds `model_lock`, so that other requests go on
    beside the search. One search runs at a time, because `generate` draws from the global random
    generator of the process; others wait. `finite` replaces NaN and infinite logits.
    """

    def __init__(
        self,
        model: Any,
        *,
        finite: bool = False,
        completion_of: Callable[[Any], IsComplete | None] = lambda settings: None,
        model_lock: FairLock | None = None,
    ) -> None:
        self._model = model
        self._finite = finite
        self._completion_of = completion_of
        self._model_lock = model_lock or FairLock()
        self._searching = threading.Lock()

    def decode(
        self, prompt: Sequence[int], settings: Any, stop: threading.Event
    ) -> Iterator[DecoderOutput]:
        """The answer, step by step.

        An output has more ids of the answer, or is `whole` where another hypothesis became the
        best. The last output has the best of all, finished ones included.
        """
        if settings.max_new_tokens == 0:
            yield DecoderOutput(finish_reason="length")
            return
        while not self._searching.acquire(timeout=QUEUE_POLL):
            if stop.is_set():
                return
        try:
            yield from self._search(prompt, settings, stop)
        finally:
            self._searching.release()

    def _search(
        self, prompt: Sequence[int], settings: Any, stop: threading.Event
    ) -> Iterator[DecoderOutput]:
        reports: queue.SimpleQueue[list[int] | _End] = queue.SimpleQueue()
        closed = threading.Event()
        is_complete = self._completion_of(settings)
        call = _GenerateCall(self._model, prompt, settings, self._finite, self._model_lock)
        criteria = StoppingCriteriaList([_Ended(call.start, is_complete, stop, closed)])
        thread = threading.Thread(
            target=call.run, args=(reports, criteria), name="beam", daemon=True
        )
        thread.start()
        shown: list[int] = []
        try:
            while not isinstance(best := reports.get(), _End):
                if best != shown:
                    yield _change(shown, best)
                    shown = best
        finally:
            # Also when the reader closes this generator: the thread must not outlive the request.
            closed.set()
            thread.join()
        if best.error is not None:
            raise best.error
        if not stop.is_set():
            ended = bool(best.ids) and best.ids[-1] in call.end_ids
            answer = best.ids[:-1] if ended else best.ids
            ended = ended or (is_complete is not None and is_complete(answer))
            yield _change(shown, answer, finish_reason="stop" if ended else "length")


def _change(shown: list[int], best: list[int], **more: Any) -> DecoderOutput:
    """What turns the answer `shown` into `best`."""
    grown = best[: len(shown)] == shown
    new = best[len(shown) :] if grown else best
    return DecoderOutput(token_ids=tuple(new), whole=not grown, **more)


class _End:
    """The last item of the thread: the ids of the best hypothesis, or the error."""

    def __init__(self, ids: list[int], error: BaseException | None = None) -> None:
        self.ids, self.error = ids, error


class _Observer(LogitsProcessor):  # type: ignore[misc]
    """Reports the best hypothesis of each step and releases the model; changes no score."""

    def __init__(self, report: Any, start: int, model_lock: FairLock) -> None:
        self._report, self._start, self._model_lock = report, start, model_lock

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """`input_ids` [beams, length] come best first."""
        self._report(input_ids[0, self._start :].tolist())
        self._model_lock.hand_over()
        return scores


class _Ended(StoppingCriteria):  # type: ignore[misc]
    """Ends all hypotheses once an event is set, and each one that is complete."""

    def __init__(
        self, start: int, is_complete: IsComplete | None, *events: threading.Event
    ) -> None:
        self._start, self._is_complete, self._events = start, is_complete, events

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """One flag for each of the rows of `input_ids`."""
        ended = [any(event.is_set() for event in self._events)] * len(input_ids)
        if self._is_complete is not None and not all(ended):
            ended = [self._is_complete(ids) for ids in input_ids[:, self._start :].tolist()]
        return torch.tensor(ended, device=input_ids.device)


class _GenerateCall:
    """One call of `generate`; `run` is the body of the thread."""

    def __init__(
        self,
        model: Any,
        prompt: Sequence[int],
        settings: Any,
        finite: bool,
        model_lock: FairLock,
    ) -> None:
        self._model, self._settings, self._finite = model, settings, finite
        self._model_lock = model_lock
        self._ids = torch.tensor([prompt], device=input_device(model))
        # Rows of an encoder-decoder begin with the decoder's start token, not with the prompt.
        self.start = 1 if model.config.is_encoder_decoder else len(prompt)
        self.end_ids = [] if settings.ignore_eos else list(settings.stop_token_ids)

    def run(self, reports: Any, criteria: StoppingCriteriaList) -> None:
        """Put the best hypothesis of each step into `reports`, then an `_End`."""
        try:
            with self._model_lock, _seeded(self._settings.seed, self._ids.device):
                reset_dynamic_rope(self._model)
                output = self._model.generate(
                    self._ids,
                    attention_mask=torch.ones_like(self._ids),
                    logits_processor=self._processors(reports),
                    stopping_criteria=criteria,
                    **self._options(),
                )
            reports.put(_End(output[0, self.start :].tolist()))
        # The reader raises it: an exception that ended this thread alone would leave it waiting.
        except BaseException as error:  # noqa: BLE001
            reports.put(_End([], error))

    def _processors(self, reports: Any) -> LogitsProcessorList:
        """Processors that `generate` lacks; it applies these before temperature and filters."""
        chosen = LogitsProcessorList([_Observer(reports.put, self.start, self._model_lock)])
        presence, frequency = self._settings.presence_penalty, self._settings.frequency_penalty
        if presence or frequency:
            chosen.append(CountPenalty(presence, frequency, self.start))
        if self._finite:
            # The scores are sums of log-probabilities: a NaN in one step spreads to the whole
            # hypothesis, so it gets the lowest score and loses.
            chosen.append(Finite(nan=-MOST))
        return chosen

    def _options(self) -> dict[str, Any]:
        """The settings by their names in `generate`, and None for every other option.

        `generate` takes an option that it is not given from the checkpoint's generation config,
        which may ask for what `SequentialDecoder` does not do.
        """
        settings = self._settings
        options = dict.fromkeys(_ALL_OPTIONS - _CHECKPOINT_OPTIONS) | {
            "use_cache": True,
            "num_beams": settings.num_beams,
            "num_return_sequences": 1,
            "max_new_tokens": settings.max_new_tokens,
            "min_new_tokens": min(settings.min_new_tokens, settings.max_new_tokens),
            "repetition_penalty": settings.repetition_penalty,
            "no_repeat_ngram_size": settings.no_repeat_ngram_size,
            "eos_token_id": self.end_ids or None,
            "pad_token_id": 0,  # fills up finished hypotheses; never part of the answer
            "return_dict_in_generate": False,
            "do_sample": settings.temperature >= COLDEST,
        }
        if options["do_sample"]:
            options |= {
                "temperature": settings.temperature,
                "top_k": settings.top_k,
                "top_p": settings.top_p,
                "min_p": settings.min_p or None,
                "typical_p": settings.typical_p,
            }
        return options


@contextmanager
def _seeded(seed: int | None, device: torch.device) -> Iterator[None]:
    """Seed the global random generator, from which `generate` draws, and restore it afterwards.

    Other requests have generators of their own (`sampler.Sampler`), so they are not affected.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        if seed is None:
            torch.seed()
        else:
            torch.manual_seed(seed)
        yield
