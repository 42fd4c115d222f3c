"""The memory of KV caches: reservations, reuse, and full devices."""

import threading
from typing import Any

import pytest
import torch

from bots.engine.kv_cache import KVBucket, KVCache
from bots.engine.kv_memory import KVMemory
from bots.engine.sequence import RunningSequence
from tests.bots.engine.caches import HEADS, LAYERS, SIZE, filled
from tests.bots.engine.models import chosen

TOKEN = 2 * LAYERS * HEADS * SIZE * 4
"""Bytes of a token's keys and values."""


def memory_of(tokens: int) -> KVMemory:
    return KVMemory(tokens * TOKEN, TOKEN, lambda capacity: KVCache(LAYERS, capacity))


def sequence_of(length: int, salt: int = 0, **settings: Any) -> RunningSequence:
    prompt = [salt + at for at in range(length)]
    return RunningSequence(
        prompt, chosen(**settings), threading.Event(), torch.device("cpu"), finite=False
    )


def run_through(memory: KVMemory, sequence: RunningSequence) -> int:
    """Start a sequence and compute its prompt; how many tokens were cached."""
    cached = memory.allocate(sequence, 1 << 30)
    assert sequence.cache is not None
    new = filled(sequence.state.prompt_length - cached, cached)
    for layer, (keys, values) in enumerate(zip(*new.tensors(), strict=True)):
        assert keys is not None
        assert values is not None
        sequence.cache.append(layer, keys[:, : new.length], values[:, : new.length])
    sequence.cache.commit(new.length)
    return cached


def full(*_: Any, **__: Any) -> Any:
    raise torch.OutOfMemoryError("full")


def test_memory_is_reserved_for_the_longest_answer_and_a_quarter_more() -> None:
    memory = memory_of(1000)
    short, long = sequence_of(10, max_new_tokens=20), sequence_of(10, max_new_tokens=100)
    assert memory.left_after([]) == 1000 * TOKEN
    assert memory.left_after([short]) == (1000 - 64 - 16) * TOKEN
    assert memory.left_after([short, long]) == (1000 - 192 - 48) * TOKEN


def test_a_finished_sequence_is_the_prefix_of_the_next() -> None:
    memory = memory_of(1000)
    first, second = sequence_of(40), sequence_of(50)
    assert run_through(memory, first) == 0
    memory.place(first.cache)  # type: ignore[arg-type]
    memory.release(first, [], keep=True)
    assert first.cache is None
    assert memory.prefixes.nbytes == memory.held_by([]) == 40 * TOKEN
    assert run_through(memory, second) == 40


def test_a_sequence_that_failed_is_not_kept() -> None:
    memory = memory_of(1000)
    sequence = sequence_of(40)
    run_through(memory, sequence)
    memory.place(sequence.cache)  # type: ignore[arg-type]
    memory.release(sequence, [], keep=False)
    assert memory.held_by([]) == 0


def test_what_is_kept_leaves_the_running_ones_their_memory() -> None:
    memory = memory_of(100)
    running, ended = sequence_of(10, max_new_tokens=20), sequence_of(40)
    run_through(memory, running)
    run_through(memory, ended)
    memory.release(ended, [running], keep=True)
    assert memory.prefixes.nbytes == 0  # 64 and a quarter are reserved, 20 remain


def test_a_prompt_that_is_scored_reuses_nothing() -> None:
    memory = memory_of(1000)
    first = sequence_of(40)
    run_through(memory, first)
    memory.release(first, [], keep=True)
    assert run_through(memory, sequence_of(40, prompt_logprobs=1)) == 0


def test_a_prefix_that_cannot_be_copied_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = memory_of(1000)
    first = sequence_of(40)
    run_through(memory, first)
    memory.release(first, [], keep=True)
    monkeypatch.setattr(KVCache, "copy", full)
    assert run_through(memory, sequence_of(50)) == 0


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), RuntimeError("odd")])
def test_a_device_too_full_for_the_copy_costs_the_prefix(
    monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    """Another error is raised; the row is freed in any case."""
    memory = memory_of(1000)
    sequence = sequence_of(40)
    run_through(memory, sequence)
    cache = sequence.cache
    assert cache is not None
    memory.place(cache)

    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(KVBucket, "detach", fails)
    if isinstance(error, torch.OutOfMemoryError):
        memory.release(sequence, [], keep=True)
    else:
        with pytest.raises(RuntimeError, match="odd"):
            memory.release(sequence, [], keep=True)
    assert cache.bucket is None
    assert memory.held_by([]) == 0


def test_a_sequence_that_never_started_has_nothing_to_release() -> None:
    memory_of(10).release(sequence_of(5), [], keep=True)


def test_clearing_drops_everything() -> None:
    memory = memory_of(1000)
    kept, running = sequence_of(40), sequence_of(40, 50)
    run_through(memory, kept)
    memory.release(kept, [], keep=True)
    run_through(memory, running)
    memory.place(running.cache)  # type: ignore[arg-type]
    assert memory.held_by([running]) > 80 * TOKEN
    memory.clear()
    assert memory.held_by([]) == 0
