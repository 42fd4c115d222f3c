"""Which bucket a sequence belongs to, and its move to the next one."""

import pytest

from bots.engine.kv_buckets import KVBuckets, capacity_for
from tests.bots.engine.caches import content, filled


@pytest.mark.parametrize(("before", "after"), [(63, 64), (127, 128), (1023, None)])
def test_a_sequence_moves_on_when_its_bucket_is_too_short(before: int, after: int | None) -> None:
    buckets = KVBuckets()
    cache = filled(before, 0)
    buckets.place(cache)
    first = cache.bucket
    assert first is not None
    assert first.capacity == before + 1
    cache.commit(1)
    buckets.place(cache)
    assert cache.bucket is not first
    assert cache.bucket is None if after is None else cache.bucket is not None
    assert first.nbytes == 0
    assert content(cache)[:before] == list(range(before))


def test_capacity_is_at_most_twice_what_a_sequence_needs() -> None:
    assert [capacity_for(one) for one in (1, 64, 65, 600, 1024)] == [64, 64, 128, 1024, 1024]
    assert capacity_for(5000) == 5000
