"""The buckets of the KV cache, and which one a sequence of some length belongs to.

The smallest bucket holds decoding sequences of 1 to 64 tokens, each larger one of capacity n those
of more than n / 2 and at most n tokens. Doubling bounds the padding: above 64 tokens a row is less
than twice as long as its sequence, and a short sequence is not padded to the longest one. There are
few sizes, because each bucket is one attention call per layer.
"""

from bots.engine.kv_cache import KVBucket, KVCache

SMALLEST, LARGEST = 64, 1024
"""Capacities of the smallest and the largest bucket, in tokens.

Below 64 tokens padding costs less than another call. Above 1,024 a sequence keeps its own cache:
its attention takes much longer than the overhead of a call, so batching gains nothing, and
doubling would waste memory.
"""


def capacity_for(tokens: int) -> int:
    """The capacity that a sequence of `tokens` tokens takes while it decodes."""
    if tokens > LARGEST:
        return tokens
    return max(SMALLEST, 1 << (tokens - 1).bit_length())


class KVBuckets:
    """All buckets, by capacity. Owned by the scheduler's thread; `nbytes` is for any thread."""

    def __init__(self) -> None:
        self._by_capacity: dict[int, KVBucket] = {}

    def place(self, cache: KVCache) -> None:
        """Move a sequence to where its next token fits: a bucket, or its own cache if long."""
        capacity = capacity_for(cache.length + 1)
        if cache.bucket is not None:
            if cache.bucket.capacity == capacity:
                return
            cache.bucket.detach(cache)
        if capacity <= LARGEST:
            self._by_capacity.setdefault(capacity, KVBucket(capacity)).add(cache)

    @property
    def nbytes(self) -> int:
        """Bytes that all buckets hold."""
        # A copy of the values: the scheduler may add a bucket while another thread sums up.
        return sum(bucket.nbytes for bucket in [*self._by_capacity.values()])
