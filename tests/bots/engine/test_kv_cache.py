"""Keys and values, by themselves and side by side."""

import pytest
import torch

from bots.engine.kv_cache import KVCache, Stacks, room_for

LAYERS, HEADS, SIZE = 2, 3, 4


def filled(length: int, value: float, room: int = 0) -> KVCache:
    """A cache whose keys are `value` + position, and whose values are the negative of that."""
    cache = KVCache(LAYERS, room)
    new = (value + torch.arange(length, dtype=torch.float32)).repeat(HEADS, SIZE, 1).transpose(1, 2)
    for layer in range(LAYERS):
        cache.append(layer, new, -new)
    cache.commit(length)
    return cache


def content(cache: KVCache) -> list[float]:
    """What `filled` put in, of the first head; checks that all heads and layers have the same."""
    made = cache
    if cache.stack is not None:
        cache.stack.take_out(cache)
    keys, values = made.tensors()
    first = keys[0]
    assert first is not None
    for held, sign in ((keys, 1), (values, -1)):
        for one in held:
            assert one is not None
            assert torch.equal(
                sign * one[:, : cache.length],
                first[:1, : cache.length, :1].expand(HEADS, cache.length, SIZE),
            )
    return list(first[0, : cache.length, 0].tolist())


def test_a_cache_keeps_what_it_has_while_it_grows() -> None:
    cache = filled(5, 10)
    more = torch.full((HEADS, 300, SIZE), 7.0)
    for layer in range(LAYERS):
        keys, _ = cache.append(layer, more, -more)
        assert keys.shape == (HEADS, 305, SIZE)
    cache.commit(300)
    assert content(cache) == [10, 11, 12, 13, 14] + [7] * 300


def test_sequences_keep_their_own_whoever_leaves_a_stack() -> None:
    stacks = Stacks()
    caches = [filled(3 + at, 100.0 * at) for at in range(5)]
    for cache in caches:
        stacks.place(cache)
    stack = caches[0].stack
    assert stack is not None
    assert stack.members == caches
    assert all(cache.nbytes == 0 for cache in caches)
    stack.remove(caches[1])
    stack.take_out(caches[4])
    stack.remove(caches[0])
    assert [cache.row for cache in stack.members] == [0, 1]
    for at in (2, 3, 4):
        assert content(caches[at]) == [100.0 * at + n for n in range(3 + at)]
    assert stacks.nbytes == 0


def test_rows_are_given_back_when_most_sequences_left() -> None:
    stacks = Stacks()
    caches = [filled(3 + at, 100.0 * at) for at in range(9)]
    for cache in caches:
        stacks.place(cache)
    alone = stacks.nbytes // 10  # nine, and a row that is free
    stack = caches[0].stack
    assert stack is not None
    for at in (0, 8, 1, 7, 2, 6, 3):
        stack.remove(caches[at])
        assert stacks.nbytes <= alone * len(stack.members) * 5 / 4
    for at in (4, 5):
        assert content(caches[at]) == [100.0 * at + n for n in range(3 + at)]


def test_a_token_of_each_goes_where_its_sequence_ends() -> None:
    stacks = Stacks()
    caches = [filled(2, 10), filled(4, 20)]
    for cache in caches:
        stacks.place(cache)
    stack = caches[0].stack
    assert stack is not None
    new = torch.tensor([1.0, 2.0])[:, None, None].expand(2, HEADS, SIZE)
    rows, at = torch.tensor([0, 1]), torch.tensor([2, 4])
    for layer in range(LAYERS):
        keys, _ = stack.append(layer, new, -new, rows, at, 5)
        assert keys.shape == (2, HEADS, 5, SIZE)
    for cache in caches:
        cache.commit(1)
    assert content(caches[0]) == [10, 11, 1]
    assert content(caches[1]) == [20, 21, 22, 23, 2]


@pytest.mark.parametrize(("before", "after"), [(63, 64), (127, 128), (1023, None)])
def test_a_sequence_moves_on_when_its_stack_is_too_short(before: int, after: int | None) -> None:
    stacks = Stacks()
    cache = filled(before, 0)
    stacks.place(cache)
    first = cache.stack
    assert first is not None
    assert first.room == before + 1
    cache.commit(1)
    stacks.place(cache)
    assert cache.stack is not first
    assert cache.stack is None if after is None else cache.stack is not None
    assert first.nbytes == 0
    assert content(cache)[:before] == list(range(before))


def test_room_is_at_most_twice_what_a_sequence_needs() -> None:
    assert [room_for(one) for one in (1, 64, 65, 600, 1024)] == [64, 64, 128, 1024, 1024]
    assert room_for(5000) == 5000
