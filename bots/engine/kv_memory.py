"""The memory of KV caches: where a sequence gets its cache from, and what happens to it at the end.

Running sequences come first; finished ones are kept for reuse (`prefix_cache`) in what is left.
"""

from collections.abc import Callable, Iterable

from bots.engine.device import is_out_of_memory
from bots.engine.kv_buckets import KVBuckets, capacity_for
from bots.engine.kv_cache import KVCache
from bots.engine.prefix_cache import PrefixCache
from bots.engine.sequence import RunningSequence


class KVMemory:
    """KV caches within `budget` bytes. `new_cache(capacity)` makes an empty one.

    Invariant: caches of running sequences, buckets and prefix cache together stay within the
    budget, as long as the scheduler admits a sequence only where `left_after` is not negative. (A
    single sequence that is larger than the budget is admitted all the same, alone.)
    The scheduler's thread owns it; `held_by` is for any thread.
    """

    def __init__(self, budget: int, token_bytes: int, new_cache: Callable[[int], KVCache]) -> None:
        self.prefixes = PrefixCache(budget)
        self._buckets = KVBuckets()
        self._budget, self._token_bytes = budget, token_bytes
        self._new_cache = new_cache

    def left_after(self, sequences: Iterable[RunningSequence]) -> int:
        """Bytes that remain when all `sequences` have reached their longest length."""
        tokens = sum(capacity_for(sequence.max_length) for sequence in sequences)
        # A quarter more: growing caches and buckets hold that much spare room (see `kv_cache`).
        return self._budget - (tokens + tokens // 4) * self._token_bytes

    def allocate(self, sequence: RunningSequence, left: int) -> int:
        """Give a sequence its cache, and shrink the prefix cache to the `left` bytes.

        Returns how many tokens of its prompt were cached.
        """
        prompt_length = sequence.state.prompt_length
        known = self._cached_prefix(sequence)
        sequence.cache = known or self._new_cache(prompt_length)
        # Shrunk after the lookup, so that the entry which this sequence continues can be used.
        self.prefixes.shrink(left)
        return known.length if known else 0

    def _cached_prefix(self, sequence: RunningSequence) -> KVCache | None:
        """A copy of the cached prefix of a prompt, or None.

        A request that scores its prompt needs the logits of all positions, so it reuses nothing.
        Where the device has no memory for the copy, the prompt is computed instead.
        """
        state = sequence.state
        if state.scores_prompt:
            return None
        try:
            return self.prefixes.lookup(state.ids[: state.prompt_length], state.prompt_length)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None

    def place(self, cache: KVCache) -> None:
        """Move a decoding sequence's cache to where its next token fits."""
        self._buckets.place(cache)

    def release(
        self, sequence: RunningSequence, running: Iterable[RunningSequence], *, keep: bool
    ) -> None:
        """Take the cache of an ended sequence back, and with `keep` make it a prefix for others.

        `running` are the sequences that go on. Where a pass failed nothing is kept: the error may
        come from what the cache holds.
        """
        cache, sequence.cache = sequence.cache, None
        if cache is None:
            return
        try:
            if keep:
                if cache.bucket is not None:
                    cache.bucket.detach(cache)
                self.prefixes.insert(sequence.state.ids[: cache.length], cache)
                self.prefixes.shrink(self.left_after(running))
        except RuntimeError as error:
            # `detach` copies. A device that is too full for the copy costs the prefix, no request.
            if not is_out_of_memory(error):
                raise
        finally:
            if cache.bucket is not None:
                cache.bucket.remove(cache)

    def clear(self) -> None:
        """Drop all buckets and prefixes; for errors after which nothing can be trusted."""
        self._buckets = KVBuckets()
        self.prefixes = PrefixCache(self._budget)

    def held_by(self, running: Iterable[RunningSequence]) -> int:
        """Bytes of prefixes, of buckets and of the own caches of `running`. From any thread."""
        caches = [sequence.cache for sequence in running]
        unbatched = sum(cache.nbytes for cache in caches if cache is not None)
        return self.prefixes.nbytes + self._buckets.nbytes + unbatched
