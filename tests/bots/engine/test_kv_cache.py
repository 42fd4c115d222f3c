"""KV caches alone and as the rows of a bucket."""

from collections.abc import Iterator

import pytest
import torch

from bots.engine.kv_buckets import KVBuckets
from bots.engine.kv_cache import KVBucket
from tests.bots.engine.caches import HEADS, LAYERS, SIZE, content, filled


def test_a_cache_keeps_what_it_has_while_it_grows() -> None:
    cache = filled(5, 10)
    more = torch.full((HEADS, 300, SIZE), 7.0)
    for layer in range(LAYERS):
        keys, _ = cache.append(layer, more, -more)
        assert keys.shape == (HEADS, 305, SIZE)
    cache.commit(300)
    assert content(cache) == [10, 11, 12, 13, 14] + [7] * 300


def test_members_keep_their_own_tokens_when_others_leave() -> None:
    buckets = KVBuckets()
    caches = [filled(3 + at, 100.0 * at) for at in range(5)]
    for cache in caches:
        buckets.place(cache)
    bucket = caches[0].bucket
    assert bucket is not None
    assert bucket.members == caches
    assert all(cache.nbytes == 0 for cache in caches)
    bucket.remove(caches[1])
    bucket.detach(caches[4])
    bucket.remove(caches[0])
    assert [cache.row for cache in bucket.members] == [0, 1]
    for at in (2, 3, 4):
        assert content(caches[at]) == [100.0 * at + n for n in range(3 + at)]
    assert buckets.nbytes == 0


def test_rows_are_given_back_when_most_sequences_left() -> None:
    buckets = KVBuckets()
    caches = [filled(3 + at, 100.0 * at) for at in range(9)]
    for cache in caches:
        buckets.place(cache)
    alone = buckets.nbytes // 10  # nine, and a row that is free
    bucket = caches[0].bucket
    assert bucket is not None
    for at in (0, 8, 1, 7, 2, 6, 3):
        bucket.remove(caches[at])
        assert buckets.nbytes <= alone * len(bucket.members) * 5 / 4
    for at in (4, 5):
        assert content(caches[at]) == [100.0 * at + n for n in range(3 + at)]


def test_a_token_of_each_goes_where_its_sequence_ends() -> None:
    buckets = KVBuckets()
    caches = [filled(2, 10), filled(4, 20)]
    for cache in caches:
        buckets.place(cache)
    bucket = caches[0].bucket
    assert bucket is not None
    new = torch.tensor([1.0, 2.0])[:, None, None].expand(2, HEADS, SIZE)
    rows, at = torch.tensor([0, 1]), torch.tensor([2, 4])
    for layer in range(LAYERS):
        keys, _ = bucket.append(layer, new, -new, rows, at, 5)
        assert keys.shape == (2, HEADS, 5, SIZE)
    for cache in caches:
        cache.commit(1)
    assert content(caches[0]) == [10, 11, 1]
    assert content(caches[1]) == [20, 21, 22, 23, 2]


def test_a_pass_that_failed_can_be_run_again() -> None:
    """What was written but not committed is overwritten."""
    cache = filled(5, 10)
    for value in (3.0, 4.0):
        for layer in range(LAYERS):
            new = torch.full((HEADS, 2, SIZE), value)
            cache.append(layer, new, -new)
    cache.commit(2)
    assert content(cache) == [10, 11, 12, 13, 14, 4, 4]


def test_a_copy_shares_nothing_with_its_original() -> None:
    cache = filled(20, 10)
    copied = cache.copy(8, 100)
    keys, _ = cache.tensors()
    assert keys[0] is not None
    keys[0].zero_()
    assert content(copied) == [10.0 + at for at in range(8)]
    assert copied.nbytes == 2 * LAYERS * HEADS * 100 * SIZE * 4


def test_a_bucket_that_was_full_in_between_takes_the_sequence_later() -> None:
    """Memory may run out after some layers have grown."""

    class Full(KVBucket):
        left = 2

        def _resized(self, rows: int, *given: torch.Tensor) -> torch.Tensor:
            if self.left == 0:
                raise torch.OutOfMemoryError("full")
            self.left -= 1
            return super()._resized(rows, *given)

    bucket, cache = Full(64), filled(5, 10)
    with pytest.raises(torch.OutOfMemoryError):
        bucket.add(cache)
    assert (bucket.members, cache.bucket) == ([], None)
    assert content(cache) == [10, 11, 12, 13, 14]
    bucket.left = 100
    bucket.add(cache)
    assert bucket.members == [cache]
    assert content(cache) == [10, 11, 12, 13, 14]


@pytest.fixture
def _uninitialized_is_nan() -> Iterator[None]:
    """Has torch fill what is allocated and not initialized with NaN."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("_uninitialized_is_nan")
def test_padding_is_finite() -> None:
    """A masked position still enters the product: 0 times NaN would be NaN."""
    bucket = KVBucket(64)
    for cache in (filled(2, 1), filled(9, 1)):
        bucket.add(cache)
    new = torch.ones(2, HEADS, SIZE)
    keys, values = bucket.append(0, new, new, torch.tensor([0, 1]), torch.tensor([2, 9]), 10)
    assert keys.isfinite().all()
    assert values.isfinite().all()
