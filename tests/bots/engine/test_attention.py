"""Attention over a ragged batch against its definition, one sequence after another in float64."""

from dataclasses import dataclass

import pytest
import torch

from bots.engine.attention import AttentionOptions, Chunk, RaggedBatch
from bots.engine.kv_buckets import KVBuckets
from bots.engine.kv_cache import KVCache

HEADS, KV_HEADS, SIZE = 4, 2, 8
SLOPES = torch.tensor([0.5, 0.25, 0.125, 0.0625])
OPTIONS = [
    AttentionOptions(),
    AttentionOptions(scaling=0.7),
    AttentionOptions(window=3),
    AttentionOptions(window=100),
    AttentionOptions(alibi_slopes=SLOPES),
    AttentionOptions(scaling=0.3, window=4, alibi_slopes=SLOPES),
]


@dataclass
class Sequence:
    """A cache with a past, and the projections of some new tokens."""

    chunk: Chunk
    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor

    def wanted(self, past: torch.Tensor, options: AttentionOptions) -> torch.Tensor:
        """[new, heads, size] by the definition; `past` [2, kv heads, length, size]."""
        keys = torch.cat((past[0], self.key), 1).double().repeat_interleave(HEADS // KV_HEADS, 0)
        values = torch.cat((past[1], self.value), 1).double()
        values = values.repeat_interleave(HEADS // KV_HEADS, 0)
        scale = SIZE**-0.5 if options.scaling is None else options.scaling
        scores = self.query.double() @ keys.transpose(1, 2) * scale
        length, new = keys.shape[1], self.query.shape[1]
        distance = torch.arange(length - new, length)[:, None] - torch.arange(length)
        if options.alibi_slopes is not None:
            scores -= options.alibi_slopes.double()[:, None, None] * distance
        hidden = distance < 0
        if options.window is not None:
            hidden |= distance >= options.window
        weights = scores.masked_fill(hidden, -torch.inf).softmax(-1)
        return (weights @ values).transpose(0, 1)


def batch_of(plan: list[tuple[int, int, bool]]) -> tuple[list[Sequence], list[torch.Tensor]]:
    """Sequences with (past, new tokens, in a bucket), and the past of each."""
    torch.manual_seed(len(plan))
    buckets, sequences, pasts = KVBuckets(), [], []
    for length, new, bucketed in plan:
        cache = KVCache(1)
        past = torch.randn(2, KV_HEADS, length, SIZE)
        cache.append(0, past[0], past[1])
        cache.commit(length)
        if bucketed:
            buckets.place(cache)
        chunk = Chunk(cache, torch.zeros(new, dtype=torch.long))
        query = torch.randn(HEADS, new, SIZE)
        key, value = torch.randn(2, KV_HEADS, new, SIZE)
        sequences.append(Sequence(chunk, query, key, value))
        pasts.append(past)
    return sequences, pasts


PLANS = {
    "a whole prompt": [(0, 7, False)],
    "a later chunk": [(5, 6, False)],
    "one token alone": [(9, 1, False)],
    "members of equal length": [(6, 1, True), (6, 1, True)],
    "members of different lengths": [(6, 1, True), (2, 1, True), (11, 1, True)],
    "two buckets and chunks between them": [
        (70, 1, True),
        (0, 5, False),
        (3, 1, True),
        (90, 1, True),
        (4, 3, False),
        (8, 1, True),
    ],
}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("plan", PLANS)
def test_each_sequence_attends_to_its_own_tokens(plan: str, options: AttentionOptions) -> None:
    sequences, pasts = batch_of(PLANS[plan])
    batch = RaggedBatch([one.chunk for one in sequences])
    by_chunk = {id(one.chunk): one for one in sequences}
    order = [by_chunk[id(chunk)] for chunk in batch.chunks]
    query, key, value = (
        torch.cat([getattr(one, name) for one in order], 1) for name in ("query", "key", "value")
    )
    found = batch.attend(0, query, key, value, options)
    wanted = {
        id(one): one.wanted(past, options) for one, past in zip(sequences, pasts, strict=True)
    }
    expected = torch.cat([wanted[id(one)] for one in order])
    assert torch.allclose(found.double(), expected, atol=1e-5)


def test_new_keys_and_values_are_in_the_caches() -> None:
    sequences, pasts = batch_of([(5, 2, False), (3, 1, True)])
    batch = RaggedBatch([one.chunk for one in sequences])
    assert [len(chunk.ids) for chunk in batch.chunks] == [1, 2]  # buckets come first
    order = [sequences[1], sequences[0]]
    query, key, value = (
        torch.cat([getattr(one, name) for one in order], 1) for name in ("query", "key", "value")
    )
    batch.attend(0, query, key, value, AttentionOptions())
    for one, past in zip(sequences, pasts, strict=True):
        cache = one.chunk.cache
        cache.commit(len(one.chunk.ids))
        if cache.bucket is not None:
            cache.bucket.detach(cache)
        keys, values = (held[0] for held in cache.tensors())
        assert keys is not None
        assert values is not None
        assert torch.equal(keys[:, : cache.length], torch.cat((past[0], one.key), 1))
        assert torch.equal(values[:, : cache.length], torch.cat((past[1], one.value), 1))


def test_all_members_of_a_bucket_are_in_the_same_pass() -> None:
    sequences, _ = batch_of([(5, 1, True), (3, 1, True)])
    with pytest.raises(AssertionError):
        RaggedBatch([sequences[0].chunk])
