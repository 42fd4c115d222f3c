"""A request in the scheduler: its chunks, its progress, its mailbox."""

import threading
from typing import Any

import torch

from bots.engine.decoder import DecoderOutput
from bots.engine.sequence import RunningSequence
from bots.streaming.pause import Pause
from tests.bots.engine.caches import filled
from tests.bots.engine.models import chosen


def sequence_of(length: int, **settings: Any) -> RunningSequence:
    """A sequence with a prompt of the ids 0, 1 … and an empty cache."""
    made = RunningSequence(
        range(length), chosen(**settings), threading.Event(), torch.device("cpu"), finite=False
    )
    made.cache = filled(0, 0)
    return made


def ready(sequence: RunningSequence) -> list[Any]:
    """What the outbox holds now."""
    found: list[Any] = []
    for item in sequence.outbox.read():
        if isinstance(item, Pause):
            return found
        found.append(item)
    return found


def computed(sequence: RunningSequence, limit: int, token: int) -> bool:
    """Run the next chunk; its last row predicts `token`."""
    chunk = sequence.next_chunk(limit)
    chunk.cache.commit(len(chunk.ids))
    rows = torch.zeros(chunk.keep, 64)
    rows[-1, token] = 1
    return sequence.take(rows, None)


def test_a_prompt_goes_in_by_chunks_and_then_token_by_token() -> None:
    sequence = sequence_of(5, max_new_tokens=2)
    assert sequence.max_length == 7
    assert sequence.next_chunk(3).ids.tolist() == [0, 1, 2]
    assert not computed(sequence, 3, 9)
    assert (sequence.prefill_left, sequence.decoding) == (2, False)
    assert ready(sequence) == []
    assert sequence.next_chunk(3).ids.tolist() == [3, 4]
    assert not computed(sequence, 3, 9)
    assert (sequence.prefill_left, sequence.decoding) == (1, True)
    assert ready(sequence) == [DecoderOutput((9,))]
    assert sequence.next_chunk(1).ids.tolist() == [9]
    assert computed(sequence, 1, 8)
    assert ready(sequence) == [DecoderOutput((8,), finish_reason="length")]


def test_scoring_the_prompt_needs_the_logits_of_all_its_positions() -> None:
    sequence = sequence_of(5, prompt_logprobs=0)
    assert sequence.next_chunk(3).keep == 3
    computed(sequence, 3, 3)
    assert sequence.next_chunk(3).keep == 2
    computed(sequence, 3, 9)
    assert sequence.next_chunk(1).keep == 1
    [first] = ready(sequence)
    assert len(first.prompt_scored) == 4
    assert sequence_of(5).next_chunk(3).keep == 1


def test_a_request_that_asks_for_nothing_new_is_complete_after_its_prompt() -> None:
    sequence = sequence_of(4, max_new_tokens=0)
    assert computed(sequence, 10, 1)
    assert ready(sequence) == [DecoderOutput(finish_reason="length")]


def test_stopped_and_abandoned_requests_are_cancelled() -> None:
    stopped, abandoned = sequence_of(3), sequence_of(3)
    assert not stopped.cancelled
    stopped.stop.set()
    abandoned.abandoned.set()
    assert stopped.cancelled
    assert abandoned.cancelled
