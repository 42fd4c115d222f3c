"""Reuse of finished sequences: which prefix is found, and what is evicted."""

import torch

from bots.engine.prefix_cache import MIN_PREFIX, PrefixCache
from tests.bots.engine.caches import HEADS, LAYERS, SIZE, content, filled

TOKEN = 2 * LAYERS * HEADS * SIZE * 4
"""Bytes of a token's keys and values."""


def entry(cache: PrefixCache, ids: list[int], value: float = 0) -> None:
    """Insert a sequence whose cache has no spare room."""
    cache.insert(torch.tensor(ids), filled(len(ids), value, len(ids)).copy(len(ids), len(ids)))


def found(cache: PrefixCache, ids: list[int]) -> list[float] | None:
    known = cache.lookup(torch.tensor(ids), 100)
    return None if known is None else content(known)


def test_the_longest_prefix_is_found_and_its_last_token_left_to_compute() -> None:
    cache = PrefixCache(1 << 20)
    entry(cache, [*range(20), 7, 7, 7], 100)
    entry(cache, [*range(30)], 200)
    assert found(cache, [*range(25), 9]) == [200.0 + at for at in range(25)]
    assert found(cache, [*range(20), 7, 9]) == [100.0 + at for at in range(21)]
    assert found(cache, [*range(30)]) == [200.0 + at for at in range(29)]
    assert found(cache, [5, *range(30)]) is None


def test_a_short_prefix_is_not_worth_a_copy() -> None:
    cache = PrefixCache(1 << 20)
    entry(cache, [*range(MIN_PREFIX)])
    assert found(cache, [*range(MIN_PREFIX - 1), 99, 98]) is None
    assert found(cache, [*range(MIN_PREFIX), 99]) is not None
    entry(cache, [99] * (MIN_PREFIX - 1))
    assert cache.nbytes == MIN_PREFIX * TOKEN


def test_what_is_found_is_a_copy_with_room() -> None:
    cache = PrefixCache(1 << 20)
    entry(cache, [*range(20)], 5)
    known = cache.lookup(torch.tensor([*range(18), 50]), 64)
    assert known is not None
    assert known.capacity == 64
    keys, _ = known.tensors()
    assert keys[0] is not None
    keys[0].zero_()
    assert found(cache, [*range(18), 50]) == [5.0 + at for at in range(18)]


def test_no_entry_is_a_prefix_of_another() -> None:
    cache = PrefixCache(1 << 20)
    entry(cache, [*range(20)])
    entry(cache, [*range(30)])
    assert cache.nbytes == 30 * TOKEN
    entry(cache, [*range(25)])
    assert cache.nbytes == 30 * TOKEN


def test_the_least_recently_used_is_evicted_first() -> None:
    cache = PrefixCache(60 * TOKEN)
    first, second, third, fourth = ([salt] * 20 for salt in (1, 2, 3, 4))
    for ids in (first, second, third):
        entry(cache, ids)
    assert found(cache, [*first, 9]) is not None  # used just now
    entry(cache, fourth)
    assert cache.nbytes == 60 * TOKEN
    assert found(cache, [*second, 9]) is None
    assert all(found(cache, [*ids, 9]) for ids in (first, third, fourth))
    cache.shrink(25 * TOKEN)
    assert cache.nbytes == 20 * TOKEN
    assert found(cache, [*fourth, 9]) is not None
    cache.shrink(-1)
    assert cache.nbytes == 0


def test_an_entry_over_the_budget_evicts_nothing() -> None:
    cache = PrefixCache(30 * TOKEN)
    entry(cache, [*range(20)])
    entry(cache, [9] * 31)
    assert cache.nbytes == 20 * TOKEN


def test_ids_are_kept_although_the_caller_goes_on_with_them() -> None:
    cache, ids = PrefixCache(1 << 20), torch.arange(20)
    cache.insert(ids, filled(20, 0))
    ids.zero_()
    assert found(cache, [*range(20), 9]) is not None
