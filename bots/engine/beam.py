"""Beam search and beam sampling that stream: transformers' `generate`, in a thread.

`generate` runs to its end; what it is given to look at each step hands the best hypothesis out and
sees the stop. Works for decoder-only and encoder-decoder models.
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

from bots.engine.device import input_device
from bots.engine.fair_lock import Turns
from bots.engine.rope import forget_lengths
from bots.engine.sampler import COLDEST, MOST, CountPenalty, Finite
from bots.events import Step

_KNOWN = {name for name in vars(GenerationConfig()) if not name.startswith("_")}
_CHECKPOINTS = {
    "transformers_version",
    "bos_token_id",
    "decoder_start_token_id",
    "length_penalty",
    "early_stopping",
}
"""What is the checkpoint's own: how its beams are compared, and how a decoder begins."""


Complete = Callable[[Sequence[int]], bool]
"""Whether an answer of these ids has come to its end, other than by a stop token."""


class _Watch(LogitsProcessor):  # type: ignore[misc]
    """Calls `tell` with the best hypothesis that still grows, and lets others have the model
    before the next step. Changes nothing."""

    def __init__(self, tell: Any, start: int, turns: Turns) -> None:
        self._tell, self._start, self._turns = tell, start, turns

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """`input_ids` [beams, length] come best first."""
        self._tell(input_ids[0, self._start :].tolist())
        self._turns.pass_on()
        return scores


class _Ended(StoppingCriteria):  # type: ignore[misc]
    """Ends all hypotheses once one of the events is set, and those that are `complete`."""

    def __init__(self, start: int, complete: Complete | None, *events: threading.Event) -> None:
        self._start, self._complete, self._events = start, complete, events

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """One flag for each of the rows of `input_ids`."""
        ended = [any(event.is_set() for event in self._events)] * len(input_ids)
        if self._complete is not None and not all(ended):
            ended = [self._complete(ids) for ids in input_ids[:, self._start :].tolist()]
        return torch.tensor(ended, device=input_ids.device)


def beam(
    model: Any,
    prompt: Sequence[int],
    settings: Any,
    stop: threading.Event,
    *,
    finite: bool = False,
    complete: Complete | None = None,
    turns: Turns | None = None,
) -> Iterator[Step]:
    """The answer to a prompt of token ids by `num_beams` hypotheses, of which the best is shown.

    `settings` is a `TransformersSettings`. A step has more ids of the answer, or is `whole` when
    another hypothesis became the best. The last one has the best of all, finished ones included.
    At temperature 0 it is a search, else hypotheses are drawn. `finite` as for `decode`. A
    hypothesis that is `complete` grows no more, and is the answer if it is the best in the end.
    Each step is one of the model's `turns`, where others use it too.
    """
    if settings.max_new_tokens == 0:
        yield Step(finish_reason="length")
        return
    found: queue.SimpleQueue[list[int] | _End] = queue.SimpleQueue()
    closed = threading.Event()
    work = _Work(model, prompt, settings, finite, turns or Turns())
    watch = StoppingCriteriaList([_Ended(work.start, complete, stop, closed)])
    thread = threading.Thread(target=work.run, args=(found, watch), name="beam", daemon=True)
    thread.start()
    shown: list[int] = []
    try:
        while not isinstance(best := found.get(), _End):
            if best != shown:
                yield _step(shown, best)
                shown = best
    finally:
        closed.set()
        thread.join()
    if best.error is not None:
        raise best.error
    if not stop.is_set():
        ended = bool(best.ids) and best.ids[-1] in work.ends
        answer = best.ids[:-1] if ended else best.ids
        ended = ended or (complete is not None and complete(answer))
        yield _step(shown, answer, finish_reason="stop" if ended else "length")


def _step(shown: list[int], best: list[int], **more: Any) -> Step:
    grown = best[: len(shown)] == shown
    return Step(token_ids=tuple(best[len(shown) :] if grown else best), whole=not grown, **more)


class _End:
    """The last that comes out of the thread: the best of all, or what went wrong."""

    def __init__(self, ids: list[int], error: BaseException | None = None) -> None:
        self.ids, self.error = ids, error


class _Work:
    """One call of `generate`; `run` is the thread."""

    def __init__(
        self, model: Any, prompt: Sequence[int], settings: Any, finite: bool, turns: Turns
    ) -> None:
        self._model, self._settings, self._finite = model, settings, finite
        self._turns = turns
        self._ids = torch.tensor([prompt], device=input_device(model))
        # An encoder's prompt is not among the ids that are continued; a start token is.
        self.start = 1 if model.config.is_encoder_decoder else len(prompt)
        self.ends = [] if settings.ignore_eos else list(settings.stop_token_ids)

    def run(self, found: Any, stopping: StoppingCriteriaList) -> None:
        """Put each best hypothesis into `found`, then an `_End`."""
        try:
            with self._turns, _seeded(self._settings.seed, self._ids.device):
                forget_lengths(self._model)
                output = self._model.generate(
                    self._ids,
                    attention_mask=torch.ones_like(self._ids),
                    logits_processor=self._processors(found),
                    stopping_criteria=stopping,
                    **self._options(),
                )
            found.put(_End(output[0, self.start :].tolist()))
        except BaseException as error:  # noqa: BLE001 (the consumer raises it)
            found.put(_End([], error))

    def _processors(self, found: Any) -> LogitsProcessorList:
        """What `generate` has not itself; it puts these before temperature and filters."""
        chosen = LogitsProcessorList([_Watch(found.put, self.start, self._turns)])
        presence, frequency = self._settings.presence_penalty, self._settings.frequency_penalty
        if presence or frequency:
            chosen.append(CountPenalty(presence, frequency, self.start))
        if self._finite:
            # These are log-probabilities, and one NaN makes all of a hypothesis NaN: let it lose.
            chosen.append(Finite(nan=-MOST))
        return chosen

    def _options(self) -> dict[str, Any]:
        """Our settings by the names of `generate`, and nothing for whatever else it knows: what is
        not given it takes from the checkpoint, which might ask for what `decode` does not do."""
        settings = self._settings
        options = dict.fromkeys(_KNOWN - _CHECKPOINTS) | {
            "use_cache": True,
            "num_beams": settings.num_beams,
            "num_return_sequences": 1,
            "max_new_tokens": settings.max_new_tokens,
            "min_new_tokens": min(settings.min_new_tokens, settings.max_new_tokens),
            "repetition_penalty": settings.repetition_penalty,
            "no_repeat_ngram_size": settings.no_repeat_ngram_size,
            "eos_token_id": self.ends or None,
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
    """Random numbers of our own in the global generator, from which `generate` draws.

    It belongs to the process, so two beam samplings at once would draw from each other's: a bot
    lets one in at a time. Other requests have generators of their own (`Sampler`), so nothing else
    notices.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        if seed is None:
            torch.seed()
        else:
            torch.manual_seed(seed)
        yield
