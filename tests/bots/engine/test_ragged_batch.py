"""A pass over chunks of many sequences gives the logits of a plain pass over each."""

from typing import Any

import pytest
import torch

from bots.engine.attention import Chunk
from bots.engine.kv_buckets import KVBuckets
from bots.engine.ragged_batch import ATTENTION, RaggedBatchRunner, ragged_attention
from tests.bots.engine.models import BATCHABLE, SEQUENTIAL, llama, made, prompt_of


@pytest.fixture(scope="module", params=BATCHABLE)
def twins(request: pytest.FixtureRequest) -> tuple[Any, RaggedBatchRunner]:
    """A model, and a runner of its equal."""
    runner = RaggedBatchRunner(made(BATCHABLE[request.param]))
    runner.install()
    return made(BATCHABLE[request.param]), runner


def plain(model: Any, ids: list[int]) -> torch.Tensor:
    """Logits [length, vocabulary] of one plain pass."""
    logits: torch.Tensor = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
    return logits


@torch.inference_mode()  # type: ignore[untyped-decorator]
def test_chunks_and_single_tokens_in_one_pass(twins: tuple[Any, RaggedBatchRunner]) -> None:
    """Longer than all windows; the order of the result is that of the chunks given."""
    model, runner = twins
    first, second, third = (prompt_of(length, length) for length in (31, 20, 26))
    wanted = [plain(model, ids) for ids in (first, second, third)]
    a, b, c = (runner.new_cache() for _ in range(3))
    one, two, three = (torch.tensor(ids) for ids in (first, second, third))
    runner.forward([Chunk(a, one[:30]), Chunk(b, two[:19])])
    buckets = KVBuckets()
    buckets.place(a)
    buckets.place(b)
    found = runner.forward([Chunk(c, three[:11], keep=11), Chunk(b, two[19:]), Chunk(a, one[30:])])
    rest = runner.forward([Chunk(c, three[11:], keep=2)])
    scale = max(float(logits.abs().max()) for logits in wanted)
    for mine, theirs in (
        (found[0], wanted[2][:11]),
        (found[1], wanted[1][19:]),
        (found[2], wanted[0][30:]),
        (rest[0], wanted[2][24:]),
    ):
        assert mine.shape == theirs.shape
        assert torch.allclose(mine, theirs, atol=1e-5 * scale)
    assert (a.length, b.length, c.length) == (31, 20, 26)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def test_plain_passes_are_as_before(twins: tuple[Any, RaggedBatchRunner]) -> None:
    """Beam search runs the same model by `generate`."""
    model, runner = twins
    ids = prompt_of(20)
    assert torch.allclose(plain(runner.model, ids), plain(model, ids), atol=1e-5)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def test_a_pass_that_fails_commits_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = RaggedBatchRunner(llama())
    runner.install()
    cache, ids = runner.new_cache(), torch.tensor(prompt_of(9))
    [wanted] = runner.forward([Chunk(runner.new_cache(), ids)])

    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("full")

    with monkeypatch.context() as patched:
        patched.setattr(runner.model.lm_head, "forward", full)
        with pytest.raises(torch.OutOfMemoryError):
            runner.forward([Chunk(cache, ids)])
    assert cache.length == 0
    [found] = runner.forward([Chunk(cache, ids)])
    assert torch.equal(found, wanted)


def test_the_model_s_own_attention_can_be_restored() -> None:
    model = llama()
    before = model.config._attn_implementation
    runner = RaggedBatchRunner(model)
    runner.install()
    assert model.config._attn_implementation == ATTENTION
    runner.uninstall()
    assert model.config._attn_implementation == before


@pytest.mark.parametrize("option", ["softcap", "s_aux"])
def test_scores_that_are_not_computed_are_refused(option: str) -> None:
    rows = torch.zeros(1, 2, 3, 4)
    with pytest.raises(ValueError, match="soft-capped"):
        ragged_attention(None, rows, rows, rows, None, ragged_batch=object(), **{option: 1.0})  # type: ignore[arg-type]


def test_which_models_can_be_replaced_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert RaggedBatchRunner(llama()).supported
    assert RaggedBatchRunner(made(BATCHABLE["bloom"])).supported
    model = made(SEQUENTIAL["dynamic"])
    monkeypatch.setattr(type(model), "_supports_attention_backend", False)
    assert not RaggedBatchRunner(model).supported
