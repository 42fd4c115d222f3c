"""Many requests in one engine: each answers as if it were alone, whatever the others do."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    CodeGenConfig,
    CodeGenForCausalLM,
    DogeConfig,
    DogeForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GlmConfig,
    GlmForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    Llama4ForCausalLM,
    Llama4TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from bots.backends.transformers.bot import TransformersSettings
from bots.engine import scheduler as module
from bots.engine.kv_cache import KVCache, KVStack
from bots.engine.ragged_batch import Packed
from bots.engine.scheduler import Engine
from bots.engine.sequential import Token, decode
from bots.streaming.pause import wait_at_pauses
from tests.support import eventually

SIZES = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
}
GROUPED = SIZES | {"num_key_value_heads": 2, "head_dim": 8}
WINDOWED = GROUPED | {"sliding_window": 12, "sliding_window_pattern": 2}
MODELS: dict[str, Callable[[], Any]] = {
    "bloom": lambda: BloomForCausalLM(
        BloomConfig(vocab_size=97, hidden_size=32, n_layer=2, n_head=4)
    ),
    "codegen": lambda: CodeGenForCausalLM(
        CodeGenConfig(vocab_size=97, n_embd=32, n_head=4, n_layer=2, rotary_dim=4, n_positions=512)
    ),
    "gemma3": lambda: Gemma3ForCausalLM(Gemma3TextConfig(**WINDOWED)),
    "glm": lambda: GlmForCausalLM(GlmConfig(**GROUPED, pad_token_id=0)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**GROUPED)),
    "mistral": lambda: MistralForCausalLM(MistralConfig(**GROUPED, sliding_window=6)),
    "neox": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**SIZES)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**GROUPED)),
}
OTHERS: dict[str, Callable[[], Any]] = {
    "dynamic": lambda: LlamaForCausalLM(
        LlamaConfig(**GROUPED, rope_parameters={"rope_type": "dynamic", "factor": 2.0})
    ),
    # Their windows are in their masks alone, and longer than what is compared at the start.
    "chunked": lambda: Llama4ForCausalLM(
        Llama4TextConfig(**GROUPED, attention_chunk_size=16, num_local_experts=2)
    ),
    "windowed": lambda: DogeForCausalLM(DogeConfig(**GROUPED, sliding_window=12)),
    "softcap": lambda: Gemma2ForCausalLM(Gemma2Config(**GROUPED)),
}


def made(make: Callable[[], Any]) -> Any:
    torch.manual_seed(1)
    model = make().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.3)  # apart enough that rounding decides nothing
    return model


def started(model: Any, memory: int = 1 << 24, *, finite: bool = False) -> Engine:
    packed = Packed(model)
    assert packed.fits()
    return Engine(packed, memory, finite=finite)


@pytest.fixture(scope="module", params=MODELS)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Engine]]:
    """A model that decodes alone, and an engine of its twin."""
    engine = started(made(MODELS[request.param]))
    yield made(MODELS[request.param]), engine
    engine.close()


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = started(made(MODELS["llama"]))
    yield engine
    engine.close()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts of a few dozen tokens go in by several chunks."""
    monkeypatch.setattr(module, "CHUNK", 16)
    monkeypatch.setattr(module, "CHUNK_BESIDE", 5)


def chosen(**values: Any) -> TransformersSettings:
    greedy = {"temperature": 0, "max_new_tokens": 12, "ignore_eos": True}
    return TransformersSettings.parse(greedy | values)


def asked(engine: Engine, *request: Any) -> Iterator[Token]:
    """An answer, read by a thread that waits for each token."""
    return wait_at_pauses(engine.decode(*request))


def prompt_of(length: int, salt: int = 0) -> list[int]:
    return [(7 * at + 13 * salt + at * at) % 97 for at in range(length)]


def ids(tokens: Iterator[Token]) -> list[int]:
    return [token.token_id for token in tokens if token.token_id is not None]


def alone(model: Any, prompt: list[int], wanted: TransformersSettings) -> list[int]:
    return ids(decode(model, prompt, wanted, threading.Event()))


def tied(model: Any, prompt: list[int], mine: list[int], theirs: list[int]) -> bool:
    """Whether two answers part where two tokens are the same but for the rounding of float32."""
    if len(mine) != len(theirs):
        return False
    at = next(at for at in range(len(theirs)) if mine[at] != theirs[at])
    with torch.inference_mode():
        logits = model(torch.tensor([prompt + theirs[:at]])).logits[0, -1]
    return bool((logits[mine[at]] - logits[theirs[at]]).abs() < 1e-6 * logits.abs().max())


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.integers(1, 12), st.integers(0, 8)), min_size=2, max_size=6
    )
)
def test_greedy_is_the_same_alone_and_together(
    pair: tuple[Any, Engine], plan: list[tuple[int, int, int]]
) -> None:
    """Whenever each one joins: after some tokens of the one before it."""
    model, engine = pair
    streams: list[Iterator[Token]] = []
    found: list[list[int]] = []
    for number, (length, count, after) in enumerate(plan):
        wanted = chosen(max_new_tokens=count)
        streams.append(asked(engine, prompt_of(length, number), wanted, threading.Event()))
        first = next(streams[-1])
        found.append([] if first.token_id is None else [first.token_id])
        for _ in range(after):
            token = next(streams[-1], None)
            found[-1] += [] if token is None or token.token_id is None else [token.token_id]
    for stream, tokens in zip(streams, found, strict=True):
        tokens += ids(stream)
    for number, (length, count, _) in enumerate(plan):
        wanted = chosen(max_new_tokens=count)
        expected = alone(model, prompt_of(length, number), wanted)
        assert found[number] == expected or tied(
            model, prompt_of(length, number), found[number], expected
        )


@pytest.mark.parametrize("name", OTHERS)
def test_models_that_are_decoded_one_after_another(name: str) -> None:
    """Those whose attention is their own are found out, and left as they were."""
    model = made(OTHERS[name])
    before = model.config._attn_implementation
    assert not Packed(model).fits()
    assert model.config._attn_implementation == before
    assert len(alone(model, prompt_of(9), chosen(max_new_tokens=3))) == 3


def together(
    engine: Engine, *requests: tuple[list[int], TransformersSettings]
) -> list[list[Token]]:
    """All at once: each in a thread of its own, as the server has them."""
    results: list[list[Token]] = [[] for _ in requests]

    def read(at: int) -> None:
        prompt, wanted = requests[at]
        results[at] = list(asked(engine, prompt, wanted, threading.Event()))

    threads = [threading.Thread(target=read, args=(at,)) for at in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_settings_are_each_request_s_own(engine: Engine) -> None:
    """Seeds, penalties, stops and log-probabilities do not reach the neighbours."""
    model = made(MODELS["llama"])
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
        plain = list(decode(model, prompt, one, threading.Event()))
        assert ids(iter(tokens)) == ids(iter(plain))
        assert tokens[-1].finish_reason == plain[-1].finish_reason
        for mine, theirs in zip(tokens, plain, strict=True):
            if theirs.scored is not None:
                assert mine.scored is not None
                assert mine.scored[0] == pytest.approx(theirs.scored[0], abs=1e-4)
                assert [one for one, _ in mine.scored[1]] == [one for one, _ in theirs.scored[1]]


@pytest.mark.parametrize("length", [1, 4, 16, 17, 39])
def test_a_prompt_is_scored_whole(engine: Engine, length: int) -> None:
    """Over chunk borders, and also when all of it is known already."""
    model = made(MODELS["llama"])
    wanted = chosen(prompt_logprobs=2, max_new_tokens=0)
    for _ in range(2):
        [scored, end] = asked(engine, prompt_of(length), wanted, threading.Event())
        [theirs, _] = decode(model, prompt_of(length), wanted, threading.Event())
        assert scored.prompt_scored is not None
        assert theirs.prompt_scored is not None
        mine = [one for one, _ in scored.prompt_scored]
        assert mine == pytest.approx([one for one, _ in theirs.prompt_scored], abs=1e-4)
        assert end.finish_reason == "length"
        list(asked(engine, prompt_of(length), chosen(), threading.Event()))


def cached(tokens: list[Token]) -> int:
    return sum(token.cached for token in tokens)


def test_the_next_turn_computes_only_what_is_new(engine: Engine) -> None:
    model = made(MODELS["llama"])
    first = prompt_of(40)
    answer = ids(asked(engine, first, chosen(), threading.Event()))
    turn = [*first, *answer, *prompt_of(9, 5)]
    tokens = list(asked(engine, turn, chosen(), threading.Event()))
    assert cached(tokens) == len(first) + len(answer) - 1  # the last token was never put in
    assert ids(iter(tokens)) == alone(model, turn, chosen())


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(17, 40), st.integers(0, 3), st.integers(0, 40)), max_size=8))
def test_what_is_known_is_never_wrong(
    pair: tuple[Any, Engine], plan: list[tuple[int, int, int]]
) -> None:
    """Prompts that share beginnings, are edited at any place, come again, and are forgotten."""
    model, engine = pair
    engine.prefixes.shrink(0)
    for length, salt, at in plan:
        prompt = prompt_of(length)
        prompt[at:] = prompt_of(len(prompt[at:]), salt)
        tokens = list(asked(engine, prompt, chosen(max_new_tokens=4), threading.Event()))
        wanted = alone(model, prompt, chosen(max_new_tokens=4))
        assert ids(iter(tokens)) == wanted or tied(model, prompt, ids(iter(tokens)), wanted)
        assert cached(tokens) < length
        if salt == 3:
            engine.prefixes.shrink(engine.prefixes.nbytes // 2)


def test_memory_is_bounded_and_returns() -> None:
    """What does not fit waits, what is kept makes room, and nothing is left over."""
    packed = Packed(made(MODELS["llama"]))
    assert packed.fits()
    engine = Engine(packed, 170 * packed.token_bytes, finite=False)
    seen: list[int] = []
    forward = packed.forward

    def watched(parts: Any) -> Any:
        seen.append(len(parts))
        return forward(parts)

    packed.forward = watched  # type: ignore[method-assign]
    requests = [(prompt_of(30, at), chosen(max_new_tokens=10)) for at in range(6)]
    found = together(engine, *requests)
    assert all(len(ids(iter(tokens))) == 10 for tokens in found)
    assert max(seen) == 2  # 40 tokens each, in room for 64 and a quarter
    eventually(lambda: engine.running == 0, "an idle engine")
    assert engine.prefixes.nbytes <= 170 * packed.token_bytes
    engine.prefixes.shrink(0)
    assert engine.nbytes == 0
    engine.close()


def test_a_request_that_leaves_is_gone_at_the_next_step(engine: Engine) -> None:
    long = chosen(max_new_tokens=400)
    stop = threading.Event()
    stopped = asked(engine, prompt_of(5), long, stop)
    left = asked(engine, prompt_of(6), long, threading.Event())
    other = asked(engine, prompt_of(7), chosen(max_new_tokens=30), threading.Event())
    assert next(stopped).token_id is not None
    assert next(left).token_id is not None
    stop.set()
    assert len(ids(stopped)) < 390
    left.close()  # type: ignore[attr-defined]
    assert len(ids(other)) == 30
    eventually(lambda: engine.running == 0, "an idle engine")


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), ValueError("odd")])
def test_a_failing_step(engine: Engine, error: Exception) -> None:
    """A full device costs the newest request; anything else those of the step. Then it goes on."""
    packed = engine._packed
    forward = packed.forward
    failing = threading.Event()

    def fails(parts: Any) -> Any:
        if len(parts) > 1:
            failing.set()
            raise error
        return forward(parts)

    older = asked(engine, prompt_of(5), chosen(max_new_tokens=200), threading.Event())
    next(older)
    packed.forward = fails  # type: ignore[method-assign]
    newer = asked(engine, prompt_of(6), chosen(), threading.Event())
    with pytest.raises(type(error)):
        ids(newer)
    assert failing.is_set()
    if isinstance(error, ValueError):
        with pytest.raises(ValueError, match="odd"):
            ids(older)
    else:
        assert len(ids(older)) == 199
    packed.forward = forward  # type: ignore[method-assign]
    assert ids(asked(engine, prompt_of(6), chosen(), threading.Event())) == alone(
        made(MODELS["llama"]), prompt_of(6), chosen()
    )


def test_closing_ends_what_runs() -> None:
    engine = started(made(MODELS["llama"]))
    stream = asked(engine, prompt_of(5), chosen(max_new_tokens=400), threading.Event())
    next(stream)
    engine.close()
    assert len(ids(stream)) < 400


def test_an_engine_that_is_closed_says_so() -> None:
    """Whoever asks while it closes or afterwards gets an end, never silence."""
    engine = started(made(MODELS["llama"]))
    engine._inbox.put(None)
    late = asked(engine, prompt_of(5), chosen(), threading.Event())
    with pytest.raises(RuntimeError, match="closed"):
        list(late)
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        list(asked(engine, prompt_of(5), chosen(), threading.Event()))


@pytest.mark.parametrize("name", ["take", "put", "shrink"])
def test_an_error_of_the_engine_itself_reaches_all(
    engine: Engine, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for ever, and the next request is answered."""
    healthy = [7, 9, 11]
    wanted = ids(asked(engine, healthy, chosen(), threading.Event()))
    running = asked(engine, prompt_of(20), chosen(max_new_tokens=400), threading.Event())
    next(running)

    def fails(*_: Any) -> None:
        raise ValueError("odd")

    with monkeypatch.context() as patched:
        patched.setattr(engine.prefixes, name, fails)
        with suppress(ValueError):  # it may have had its answer before
            list(asked(engine, prompt_of(30), chosen(), threading.Event()))
        with pytest.raises(ValueError, match="odd"):
            list(running)
    assert ids(asked(engine, healthy, chosen(), threading.Event())) == wanted
    assert engine.running == 0


def test_what_is_held_stays_within_the_memory() -> None:
    """While stacks grow, while most of their sequences leave, and with what is kept of those."""
    packed = Packed(made(MODELS["llama"]))
    assert packed.fits()
    memory = 9 * 64 * packed.token_bytes * 5 // 4
    engine = Engine(packed, memory, finite=False)
    held: list[int] = []
    forward = packed.forward

    def watched(parts: Any) -> Any:
        logits = forward(parts)
        held.append(engine.nbytes)
        return logits

    packed.forward = watched  # type: ignore[method-assign]
    lengths = [4] * 8 + [30] + [20] * 9
    requests = [(prompt_of(30, at), chosen(max_new_tokens=new)) for at, new in enumerate(lengths)]
    found = together(engine, *requests)
    assert [len(ids(iter(tokens))) for tokens in found] == lengths
    assert max(held) <= memory
    assert max(held) > memory // 2
    engine.close()


def test_a_full_device_costs_what_is_kept_before_any_request(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ids(asked(engine, prompt_of(40), chosen(), threading.Event()))
    forward, grown = engine._packed.forward, KVStack._of_rows
    seen: list[str] = []

    def full(name: str, go_on: Any) -> Any:
        def fails(*given: Any) -> Any:
            if engine.prefixes.nbytes:
                seen.append(name)
                raise torch.OutOfMemoryError("full")
            return go_on(*given)

        return fails

    monkeypatch.setattr(engine._packed, "forward", full("pass", forward))
    assert ids(asked(engine, prompt_of(40), chosen(), threading.Event())) == wanted
    monkeypatch.setattr(engine._packed, "forward", forward)
    monkeypatch.setattr(KVStack, "_of_rows", full("stack", grown))
    assert ids(asked(engine, prompt_of(40), chosen(), threading.Event())) == wanted
    assert seen == ["pass", "stack"]


def test_no_room_for_what_is_known(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prefix that cannot be copied is computed again."""

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("full")

    wanted = ids(asked(engine, prompt_of(40), chosen(), threading.Event()))
    monkeypatch.setattr(KVCache, "copy", full)
    tokens = list(asked(engine, prompt_of(40), chosen(), threading.Event()))
    assert ids(iter(tokens)) == wanted
    assert cached(tokens) == 0


def test_a_short_prompt_does_not_wait_for_a_long_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the long one goes on by half of each chunk, however many short ones come."""
    packed = engine._packed
    lengths: dict[int, list[int]] = {}
    forward = packed.forward

    def watched(parts: Any) -> Any:
        for part in parts:
            lengths.setdefault(id(part.cache), []).append(len(part.ids))
        return forward(parts)

    monkeypatch.setattr(packed, "forward", watched)
    done: list[str] = []

    def read(name: str, length: int, salt: int) -> None:
        for _ in asked(engine, prompt_of(length, salt), chosen(max_new_tokens=1), never()):
            done.append(name)

    with engine.turns:  # nothing runs before all are there
        threads = [threading.Thread(target=read, args=("long", 400, 0))]
        threads += [threading.Thread(target=read, args=("short", 20, at)) for at in (1, 2, 3)]
        for count, thread in enumerate(threads, 1):
            thread.start()
            eventually(lambda: engine.running + engine._inbox.qsize() == count, "one more")  # noqa: B023
    for thread in threads:
        thread.join()
    assert done == ["short", "short", "short", "long"]
    long = max(lengths.values(), key=sum)
    assert min(long[:-1]) >= module.CHUNK // 2


def never() -> threading.Event:
    return threading.Event()
