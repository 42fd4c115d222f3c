"""Many requests in one engine: each answers as if it were alone, whatever the others do."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bots.backends.transformers import TransformersSettings
from bots.engine.decoder import DecoderOutput
from bots.engine.kv_buckets import KVBuckets
from bots.engine.kv_cache import KVCache
from bots.engine.ragged_batch import RaggedBatchRunner
from bots.engine.scheduler import Scheduler, SchedulerPolicy
from bots.engine.sequential import SequentialDecoder
from bots.engine.trial import find_obstacle
from bots.streaming.pause import wait_at_pauses
from tests.bots.engine.models import (
    BATCHABLE,
    alone,
    chosen,
    ids,
    llama,
    made,
    never,
    prompt_of,
    tied,
)
from tests.support import eventually

POLICY = SchedulerPolicy(prefill_chunk=16, prefill_chunk_beside_decode=5)
"""Prompts of a few dozen tokens go in by several chunks."""


class WatchedRunner(RaggedBatchRunner):
    """A runner with hooks before and after each pass; the first may raise."""

    hook: Callable[[Any], None] | None = None
    after: Callable[[], None] | None = None

    def forward(self, chunks: Any) -> list[torch.Tensor]:
        if self.hook is not None:
            self.hook(chunks)
        logits = super().forward(chunks)
        if self.after is not None:
            self.after()
        return logits


def runner_of(model: Any) -> WatchedRunner:
    runner = WatchedRunner(model)
    assert find_obstacle(runner) is None
    return runner


def started(runner: RaggedBatchRunner, memory: int = 1 << 24) -> Scheduler:
    return Scheduler(runner, memory, policy=POLICY)


@pytest.fixture(scope="module", params=BATCHABLE)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Scheduler]]:
    """A model that decodes alone, and a scheduler of its twin."""
    engine = started(runner_of(made(BATCHABLE[request.param])))
    yield made(BATCHABLE[request.param]), engine
    engine.close()


@pytest.fixture
def runner() -> WatchedRunner:
    return runner_of(llama())


@pytest.fixture
def engine(runner: WatchedRunner) -> Iterator[Scheduler]:
    engine = started(runner)
    yield engine
    engine.close()


def asked(engine: Scheduler, *request: Any) -> Iterator[DecoderOutput]:
    """An answer, read by a thread that waits for each token."""
    return wait_at_pauses(engine.decode(*request))


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.integers(1, 12), st.integers(0, 8)), min_size=2, max_size=6
    )
)
def test_greedy_is_the_same_alone_and_together(
    pair: tuple[Any, Scheduler], plan: list[tuple[int, int, int]]
) -> None:
    """Whenever each one joins: after some tokens of the one before it."""
    model, engine = pair
    streams: list[Iterator[DecoderOutput]] = []
    found: list[list[int]] = []
    for number, (length, count, after) in enumerate(plan):
        wanted = chosen(max_new_tokens=count)
        streams.append(asked(engine, prompt_of(length, number), wanted, never()))
        first = next(streams[-1])
        found.append([*first.token_ids])
        for _ in range(after):
            output = next(streams[-1], None)
            found[-1] += [] if output is None else output.token_ids
    for stream, tokens in zip(streams, found, strict=True):
        tokens += ids(stream)
    for number, (length, count, _) in enumerate(plan):
        wanted = chosen(max_new_tokens=count)
        expected = alone(model, prompt_of(length, number), wanted)
        assert found[number] == expected or tied(
            model, prompt_of(length, number), found[number], expected
        )


def together(
    engine: Scheduler, *requests: tuple[list[int], TransformersSettings]
) -> list[list[DecoderOutput]]:
    """All at once: each in a thread of its own, as the server has them."""
    results: list[list[DecoderOutput]] = [[] for _ in requests]

    def read(at: int) -> None:
        prompt, wanted = requests[at]
        results[at] = list(asked(engine, prompt, wanted, never()))

    threads = [threading.Thread(target=read, args=(at,)) for at in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_settings_are_each_request_s_own(engine: Scheduler) -> None:
    """Seeds, penalties, stops and log-probabilities do not reach the neighbours."""
    model = llama()
    wanted = [
        chosen(temperature=1, seed=3),
        chosen(temperature=1, seed=3, top_k=5, repetition_penalty=1.3),
        chosen(presence_penalty=1.5, frequency_penalty=0.5, no_repeat_ngram_size=2),
        chosen(logprobs=3),
        chosen(min_new_tokens=5, ignore_eos=False, stop_token_ids=tuple(range(60))),
        chosen(ignore_eos=False, stop_token_ids=tuple(range(0, 97, 3))),
        chosen(),
    ]
    prompts = [prompt_of(9 + at, at) for at in range(len(wanted))]
    found = together(engine, *zip(prompts, wanted, strict=True))
    for tokens, prompt, one in zip(found, prompts, wanted, strict=True):
        plain = list(SequentialDecoder(model).decode(prompt, one, never()))
        assert ids(iter(tokens)) == ids(iter(plain))
        assert tokens[-1].finish_reason == plain[-1].finish_reason
        for mine, theirs in zip(tokens, plain, strict=True):
            if theirs.scored is not None:
                assert mine.scored is not None
                assert mine.scored[0] == pytest.approx(theirs.scored[0], abs=1e-4)
                assert [one for one, _ in mine.scored[1]] == [one for one, _ in theirs.scored[1]]


@pytest.mark.parametrize("length", [1, 4, 16, 17, 39])
def test_a_prompt_is_scored_whole(engine: Scheduler, length: int) -> None:
    """Over chunk borders, and also when all of it is known already."""
    model = llama()
    wanted = chosen(prompt_logprobs=2, max_new_tokens=0)
    for _ in range(2):
        [scored] = asked(engine, prompt_of(length), wanted, never())
        [theirs] = SequentialDecoder(model).decode(prompt_of(length), wanted, never())
        assert scored.prompt_scored is not None
        assert theirs.prompt_scored is not None
        mine = [one for one, _ in scored.prompt_scored]
        assert mine == pytest.approx([one for one, _ in theirs.prompt_scored], abs=1e-4)
        assert scored.finish_reason == "length"
        list(asked(engine, prompt_of(length), chosen(), never()))


def cached(tokens: list[DecoderOutput]) -> int:
    return sum(token.cached for token in tokens)


def test_the_next_turn_computes_only_what_is_new(engine: Scheduler) -> None:
    model = llama()
    first = prompt_of(40)
    answer = ids(asked(engine, first, chosen(), never()))
    turn = [*first, *answer, *prompt_of(9, 5)]
    tokens = list(asked(engine, turn, chosen(), never()))
    assert cached(tokens) == len(first) + len(answer) - 1  # the last token was never put in
    assert ids(iter(tokens)) == alone(model, turn, chosen())


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(17, 40), st.integers(0, 3), st.integers(0, 40)), max_size=8))
def test_what_is_known_is_never_wrong(
    pair: tuple[Any, Scheduler], plan: list[tuple[int, int, int]]
) -> None:
    """Prompts that share beginnings, are edited at any place, come again, and are forgotten."""
    model, engine = pair
    engine.memory.prefixes.shrink(0)
    for length, salt, at in plan:
        prompt = prompt_of(length)
        prompt[at:] = prompt_of(len(prompt[at:]), salt)
        tokens = list(asked(engine, prompt, chosen(max_new_tokens=4), never()))
        wanted = alone(model, prompt, chosen(max_new_tokens=4))
        assert ids(iter(tokens)) == wanted or tied(model, prompt, ids(iter(tokens)), wanted)
        assert cached(tokens) < length
        if salt == 3:
            engine.memory.prefixes.shrink(engine.memory.prefixes.nbytes // 2)


def test_memory_is_bounded_and_returns() -> None:
    """What does not fit waits, what is kept makes room, and nothing is left over."""
    runner = runner_of(llama())
    engine = started(runner, 170 * runner.token_bytes)
    seen: list[int] = []
    runner.hook = lambda chunks: seen.append(len(chunks))
    requests = [(prompt_of(30, at), chosen(max_new_tokens=10)) for at in range(6)]
    found = together(engine, *requests)
    assert all(len(ids(iter(tokens))) == 10 for tokens in found)
    assert max(seen) == 2  # 40 tokens each, in room for 64 and a quarter
    eventually(lambda: engine.active == 0, "an idle engine")
    assert engine.memory.prefixes.nbytes <= 170 * runner.token_bytes
    engine.memory.prefixes.shrink(0)
    assert engine.cache_bytes == 0
    engine.close()


def test_a_request_that_leaves_is_gone_at_the_next_step(engine: Scheduler) -> None:
    long = chosen(max_new_tokens=400)
    stop = threading.Event()
    stopped = asked(engine, prompt_of(5), long, stop)
    left = asked(engine, prompt_of(6), long, never())
    other = asked(engine, prompt_of(7), chosen(max_new_tokens=30), never())
    assert next(stopped).token_ids
    assert next(left).token_ids
    stop.set()
    assert len(ids(stopped)) < 390
    left.close()  # type: ignore[attr-defined]
    assert len(ids(other)) == 30
    eventually(lambda: engine.active == 0, "an idle engine")


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), ValueError("odd")])
def test_a_failing_step(engine: Scheduler, runner: WatchedRunner, error: Exception) -> None:
    """A full device costs the newest request; anything else those of the step. Then it goes on."""
    failing = threading.Event()

    def fails(chunks: Any) -> None:
        if len(chunks) > 1:
            failing.set()
            raise error

    older = asked(engine, prompt_of(5), chosen(max_new_tokens=200), never())
    next(older)
    runner.hook = fails
    newer = asked(engine, prompt_of(6), chosen(), never())
    with pytest.raises(type(error)):
        ids(newer)
    assert failing.is_set()
    if isinstance(error, ValueError):
        with pytest.raises(ValueError, match="odd"):
            ids(older)
    else:
        assert len(ids(older)) == 199
    runner.hook = None
    assert ids(asked(engine, prompt_of(6), chosen(), never())) == alone(
        llama(), prompt_of(6), chosen()
    )


def test_closing_ends_what_runs() -> None:
    engine = started(runner_of(llama()))
    stream = asked(engine, prompt_of(5), chosen(max_new_tokens=400), never())
    next(stream)
    engine.close()
    assert len(ids(stream)) < 400


def test_an_engine_that_is_closed_says_so() -> None:
    """A request that comes too late fails and does not wait for ever."""
    engine = started(runner_of(llama()))
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        list(asked(engine, prompt_of(5), chosen(), never()))


def test_a_request_that_comes_while_the_engine_closes_fails(
    engine: Scheduler, runner: WatchedRunner
) -> None:
    computing, go_on = threading.Event(), threading.Event()

    def blocks(_: Any) -> None:
        computing.set()
        go_on.wait()

    runner.hook = blocks
    running = asked(engine, prompt_of(5), chosen(), never())
    reader = threading.Thread(target=lambda: list(running))
    reader.start()
    computing.wait()
    closing = threading.Thread(target=engine.close)
    closing.start()
    eventually(lambda: engine.active == 2, "the request to close in the inbox")
    late: list[BaseException] = []

    def ask_late() -> None:
        try:
            list(asked(engine, prompt_of(5), chosen(), never()))
        except RuntimeError as error:
            late.append(error)

    asking = threading.Thread(target=ask_late)
    asking.start()
    eventually(lambda: engine.active == 3, "the late request in the inbox")
    go_on.set()
    for thread in (reader, closing, asking):
        thread.join()
    assert [str(error) for error in late] == ["The engine is closed."]


@pytest.mark.parametrize("name", ["lookup", "insert", "shrink"])
def test_an_error_of_the_engine_itself_reaches_all(
    engine: Scheduler, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for ever, and the next request is answered."""
    healthy = [7, 9, 11]
    wanted = ids(asked(engine, healthy, chosen(), never()))
    running = asked(engine, prompt_of(20), chosen(max_new_tokens=400), never())
    next(running)

    def fails(*_: Any) -> None:
        raise ValueError("odd")

    with monkeypatch.context() as patched:
        patched.setattr(engine.memory.prefixes, name, fails)
        with suppress(ValueError):  # it may have had its answer before
            list(asked(engine, prompt_of(30), chosen(), never()))
        with pytest.raises(ValueError, match="odd"):
            list(running)
    assert ids(asked(engine, healthy, chosen(), never())) == wanted
    assert engine.active == 0


def test_what_is_held_stays_within_the_memory() -> None:
    """While stacks grow, while most of their sequences leave, and with what is kept of those."""
    runner = runner_of(llama())
    memory = 9 * 64 * runner.token_bytes * 5 // 4
    engine = started(runner, memory)
    held: list[int] = []
    runner.after = lambda: held.append(engine.cache_bytes)
    lengths = [4] * 8 + [30] + [20] * 9
    requests = [(prompt_of(30, at), chosen(max_new_tokens=new)) for at, new in enumerate(lengths)]
    found = together(engine, *requests)
    assert [len(ids(iter(tokens))) for tokens in found] == lengths
    assert max(held) <= memory
    assert max(held) > memory // 2
    engine.close()


@pytest.mark.parametrize("place", ["pass", "bucket"])
def test_a_full_device_costs_the_prefix_cache_before_any_request(
    engine: Scheduler, runner: WatchedRunner, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    wanted = ids(asked(engine, prompt_of(40), chosen(), never()))
    failed: list[str] = []

    def full(_: Any) -> None:
        if engine.memory.prefixes.nbytes:
            failed.append(place)
            raise torch.OutOfMemoryError("full")

    def full_bucket(buckets: KVBuckets, cache: KVCache) -> None:
        full(cache)
        into_bucket(buckets, cache)

    into_bucket = KVBuckets.place
    if place == "pass":
        runner.hook = full
    else:
        monkeypatch.setattr(KVBuckets, "place", full_bucket)
    assert ids(asked(engine, prompt_of(40), chosen(), never())) == wanted
    assert failed == [place]


def test_no_room_for_what_is_known(engine: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prefix that cannot be copied is computed again."""

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("full")

    wanted = ids(asked(engine, prompt_of(40), chosen(), never()))
    monkeypatch.setattr(KVCache, "copy", full)
    tokens = list(asked(engine, prompt_of(40), chosen(), never()))
    assert ids(iter(tokens)) == wanted
    assert cached(tokens) == 0


def test_a_short_prompt_does_not_wait_for_a_long_one(
    engine: Scheduler, runner: WatchedRunner
) -> None:
    """And the long one goes on by half of each chunk, however many short ones come."""
    lengths: dict[int, list[int]] = {}

    def watched(chunks: Any) -> None:
        for chunk in chunks:
            lengths.setdefault(id(chunk.cache), []).append(len(chunk.ids))

    runner.hook = watched
    done: list[str] = []

    def read(name: str, length: int, salt: int) -> None:
        for _ in asked(engine, prompt_of(length, salt), chosen(max_new_tokens=1), never()):
            done.append(name)

    with engine.model_lock:  # nothing runs before all are there
        threads = [threading.Thread(target=read, args=("long", 400, 0))]
        threads += [threading.Thread(target=read, args=("short", 20, at)) for at in (1, 2, 3)]
        for count, thread in enumerate(threads, 1):
            thread.start()
            eventually(lambda: engine.active == count, "one more")  # noqa: B023
    for thread in threads:
        thread.join()
    assert done == ["short", "short", "short", "long"]
    long = max(lengths.values(), key=sum)
    assert min(long[:-1]) >= POLICY.prefill_chunk // 2


def test_a_request_larger_than_the_memory_runs_alone() -> None:
    runner = runner_of(llama())
    engine = started(runner, 10 * runner.token_bytes)
    seen: list[int] = []
    runner.hook = lambda chunks: seen.append(len(chunks))
    requests = [(prompt_of(30, at), chosen()) for at in range(3)]
    found = together(engine, *requests)
    assert [len(ids(iter(outputs))) for outputs in found] == [12, 12, 12]
    assert max(seen) == 1
    engine.close()


def test_prefill_beside_tokens_is_smaller(engine: Scheduler, runner: WatchedRunner) -> None:
    lengths: list[list[int]] = []
    running = asked(engine, prompt_of(5), chosen(max_new_tokens=400), never())
    next(running)
    runner.hook = lambda chunks: lengths.append([len(chunk.ids) for chunk in chunks])
    next(asked(engine, prompt_of(40, 3), chosen(), never()))
    prefill = [one[1] for one in lengths if len(one) == 2 and one[1] > 1]
    assert prefill
    assert max(prefill) == POLICY.prefill_chunk_beside_decode
