"""KV caches with numbers that show where a token came from."""

import torch

from bots.engine.kv_cache import KVCache

LAYERS, HEADS, SIZE = 2, 3, 4


def filled(length: int, value: float, capacity: int = 0) -> KVCache:
    """A cache whose keys are `value` + position, and whose values are the negative of that."""
    cache = KVCache(LAYERS, capacity)
    new = (value + torch.arange(length, dtype=torch.float32)).repeat(HEADS, SIZE, 1).transpose(1, 2)
    for layer in range(LAYERS):
        cache.append(layer, new, -new)
    cache.commit(length)
    return cache


def content(cache: KVCache) -> list[float]:
    """What `filled` put in, of the first head; checks that all heads and layers have the same."""
    made = cache
    if cache.bucket is not None:
        cache.bucket.detach(cache)
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
