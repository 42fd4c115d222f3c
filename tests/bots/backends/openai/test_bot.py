"""The OpenAI bot against a small real server, and against this project's own worker."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from bots.backends.openai.bot import OpenAIChatBot
from bots.errors import BotError, InvalidRequest, LoadError, UpstreamError
from bots.events import Delta, Done, Event, Message
from tests.bots.backends.openai.upstream import Upstream, text
from tests.support import eventually, running_worker

HELLO = [Message("user", "Hello 你好 😀")]
Settings = OpenAIChatBot.Settings


def answer(events: Iterator[Event]) -> tuple[str, Done]:
    """The whole text and the end."""
    seen = list(events)
    last = seen[-1]
    assert isinstance(last, Done)
    return "".join(event.text for event in seen if isinstance(event, Delta)), last


# -- loading ---------------------------------------------------------------------------------------


def test_the_only_model_is_taken(upstream: Upstream, bot: OpenAIChatBot) -> None:
    """And asked for by its name."""
    answer(bot.chat(HELLO))
    assert upstream.requests[-1][2]["model"] == "m"
    assert bot.info().native_class == "OpenAI-compatible endpoint"
    assert bot.info().context_length is None


def test_one_of_several_must_be_named(
    upstream: Upstream, make: Callable[[str], OpenAIChatBot]
) -> None:
    """The error lists them and shows how; Ollama's tag may be left out."""
    upstream.models = [
        {"id": "a:latest", "max_model_len": 4096},
        {"id": "b", "max_model_len": 2048},
    ]
    with pytest.raises(LoadError, match=r"2 models \(a:latest, b\).*#a:latest"):
        make(upstream.url)
    with pytest.raises(LoadError, match=r"no model 'c'\. It has: a:latest, b"):
        make(f"{upstream.url}#c")
    assert make(f"{upstream.url}#b").info().context_length == 2048
    answer(make(f"{upstream.url}#a").chat(HELLO))
    assert upstream.requests[-1][2]["model"] == "a"


def test_an_endpoint_without_models_says_so(
    upstream: Upstream, make: Callable[[str], OpenAIChatBot]
) -> None:
    """An empty list is not an index error."""
    upstream.models = []
    with pytest.raises(LoadError, match=r"0 models \(none\)"):
        make(upstream.url)


def test_nobody_there_is_one_sentence(make: Callable[[str], OpenAIChatBot]) -> None:
    """With the address and what to look at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(
        LoadError, match=rf"http://127\.0\.0\.1:{port}/v1 cannot be reached .*running"
    ):
        make(f"http://127.0.0.1:{port}")


def test_another_server_is_noticed(
    upstream: Upstream, make: Callable[[str], OpenAIChatBot]
) -> None:
    """JSON that is no list of models."""
    upstream.models = [{"name": "not a model"}]
    with pytest.raises(LoadError, match="does not list models"):
        make(upstream.url)


def test_loading_needs_an_address() -> None:
    """A bot without a path can be made, not loaded."""
    with pytest.raises(LoadError, match="Which endpoint"):
        OpenAIChatBot().load()


# -- answers ---------------------------------------------------------------------------------------


def test_an_answer_streams_with_usage_and_reasoning(upstream: Upstream, bot: OpenAIChatBot) -> None:
    """Reasoning apart, comments skipped, the endpoint's own counts."""
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": None}
    upstream.says(
        {"choices": [{"delta": {"role": "assistant", "reasoning": "hm"}}]},
        text("你"),
        text("好 😀", "length"),
        {"choices": [], "usage": usage},
    )
    upstream.frames.insert(1, ": ping\n\n\n")
    events = list(bot.chat(HELLO))
    deltas = [event for event in events if isinstance(event, Delta)]
    assert [(one.text, one.reasoning) for one in deltas] == [("", "hm"), ("你", ""), ("好 😀", "")]
    done = events[-1]
    assert isinstance(done, Done)
    assert done.finish_reason == "length"
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (9, 4)


def test_reasoning_in_the_text_is_taken_out(upstream: Upstream, bot: OpenAIChatBot) -> None:
    """Some endpoints leave the tags in."""
    upstream.says(text("<think>hm</th"), text("ink>\nyes", "stop"))
    deltas = [event for event in bot.chat(HELLO) if isinstance(event, Delta)]
    assert "".join(one.reasoning for one in deltas) == "hm"
    assert "".join(one.text for one in deltas) == "yes"


@pytest.mark.parametrize("ending", ["done only", "reason only"])
def test_either_sign_of_the_end_is_enough(
    upstream: Upstream, bot: OpenAIChatBot, ending: str
) -> None:
    """`[DONE]` without a reason, or a reason without `[DONE]`."""
    if ending == "done only":
        upstream.says(text("a"))
    else:
        upstream.says(text("a", "stop"), done=False)
    said, done = answer(bot.chat(HELLO))
    assert (said, done.finish_reason) == ("a", "stop")


def test_a_stream_that_breaks_off_is_an_error(upstream: Upstream, bot: OpenAIChatBot) -> None:
    """Half an answer does not look like a whole one."""
    upstream.says(text("a"), done=False)
    events = bot.chat(HELLO)
    with pytest.raises(UpstreamError, match="broke off"):
        list(events)


def test_an_error_inside_the_stream_is_passed_on(upstream: Upstream, bot: OpenAIChatBot) -> None:
    """After text that was sent already."""
    upstream.says(text("a"), {"error": {"message": "out of memory", "code": 500}})
    with pytest.raises(UpstreamError, match="out of memory"):
        list(bot.chat(HELLO))


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (401, UpstreamError, r"refuses the API key \(401\): why\. .*CHATZOO_UPSTREAM_API_KEY"),
        (429, UpstreamError, r"busy \(429\): why\. Try again in 7 seconds"),
        (503, UpstreamError, r"not ready \(503\): why\. Try again in 7"),
        (500, UpstreamError, r"status 500: why\."),
        (400, InvalidRequest, r"refuses the request \(400\): why\."),
        (302, UpstreamError, "redirects to 'http://elsewhere/'"),
    ],
)
def test_refusals_say_what_the_endpoint_said(
    upstream: Upstream, bot: OpenAIChatBot, status: int, kind: type[BotError], message: str
) -> None:
    """With the status; a redirect is not followed."""
    upstream.status = status
    upstream.headers = {"Retry-After": "7", "Location": "http://elsewhere/"}
    upstream.frames = ['{"error":{"message":"why"}}']
    with pytest.raises(kind, match=message):
        list(bot.chat(HELLO))


@pytest.mark.parametrize(
    ("frame", "message"),
    [("data: \udcff\n\n", r"http://127.* cannot be read: .*UTF-8"), ("data: {\n\n", "no JSON")],
)
def test_a_stream_that_cannot_be_read_is_an_error(
    upstream: Upstream, bot: OpenAIChatBot, frame: str, message: str
) -> None:
    """Damaged characters would look like the model's own."""
    upstream.says(text("a"))
    upstream.frames.insert(1, frame)
    with pytest.raises(UpstreamError, match=message):
        list(bot.chat(HELLO))


def test_an_answer_that_does_not_stream_is_an_error(upstream: Upstream, bot: OpenAIChatBot) -> None:
    """Some servers ignore `stream`."""
    upstream.headers = {"Content-Type": "application/json"}
    upstream.frames = ['{"choices":[]}']
    with pytest.raises(UpstreamError, match="did not stream"):
        list(bot.chat(HELLO))


def test_the_key_goes_into_the_header_only(
    upstream: Upstream, make: Callable[[str], OpenAIChatBot], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not into an error."""
    monkeypatch.setenv("CHATZOO_UPSTREAM_API_KEY", "sk-secret")
    bot = make(upstream.url)
    upstream.status = 403
    with pytest.raises(UpstreamError) as raised:
        list(bot.chat(HELLO))
    assert [headers["Authorization"] for _, headers, _ in upstream.requests] == [
        "Bearer sk-secret",
        "Bearer sk-secret",
    ]
    assert "sk-secret" not in raised.value.message


def test_only_what_is_set_is_sent(upstream: Upstream, bot: OpenAIChatBot) -> None:
    """The endpoint has defaults of its own; at most four stop texts are OpenAI's limit."""
    answer(bot.chat(HELLO))
    always = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello 你好 😀"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 512,
    }
    assert upstream.requests[-1][2] == always
    params: dict[str, Any] = {
        "temperature": 0.0,
        "top_p": 0.5,
        "presence_penalty": 1.0,
        "frequency_penalty": -1.0,
        "seed": 7,
    }
    stops = ("1", "2", "3", "4", "5")
    answer(bot.chat(HELLO, Settings(**params, stop=stops, max_new_tokens=3)))
    assert upstream.requests[-1][2] == always | params | {"stop": [*stops[:4]], "max_tokens": 3}


def test_no_tokens_are_no_request(upstream: Upstream, bot: OpenAIChatBot) -> None:
    """The dialect does not allow 0."""
    said, done = answer(bot.chat(HELLO, Settings(max_new_tokens=0)))
    assert (said, done.finish_reason) == ("", "length")
    assert len(upstream.requests) == 1


def test_the_prompt_is_what_is_sent(bot: OpenAIChatBot) -> None:
    """As JSON: only the endpoint knows the model's own text."""
    turns = [Message("system", "s"), *HELLO]
    assert json.loads(bot.get_prompt(turns, Settings())) == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "Hello 你好 😀"},
    ]


# -- stop ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before the status", "between chunks"])
def test_a_stop_shuts_a_silent_connection(
    upstream: Upstream, bot: OpenAIChatBot, when: str
) -> None:
    """The endpoint sees it at once, and so does the caller."""
    upstream.says(text("a"), done=False)
    (upstream.silent_before if when == "before the status" else upstream.silent_after).clear()
    stop = threading.Event()
    stopped_at: list[float] = []

    def pull() -> None:
        stopped_at.append(time.monotonic())
        stop.set()

    threading.Timer(0.2, pull).start()
    said, done = answer(bot.chat(HELLO, stop=stop))
    took = time.monotonic() - stopped_at[0]
    assert said == ("" if when == "before the status" else "a")
    assert done.finish_reason == "cancelled"
    assert took < 0.3
    assert upstream.gone.wait(1)
    assert not [one for one in threading.enumerate() if one.name == "upstream stop"]


def test_closing_the_answer_closes_the_connection(upstream: Upstream, bot: OpenAIChatBot) -> None:
    """A browser that leaves ends the endpoint's work too."""
    upstream.says(text("a"), done=False)
    upstream.silent_after.clear()
    events = bot.chat(HELLO)
    while not isinstance(next(events), Delta):
        pass
    events.close()  # type: ignore[attr-defined]
    assert upstream.gone.wait(1)


def test_a_stop_text_ends_the_answer_wherever_it_is_found(
    upstream: Upstream, bot: OpenAIChatBot
) -> None:
    """Also the fifth one, and where an endpoint ignores them."""
    upstream.says(text("one E"), text("ND two"), done=False)
    upstream.silent_after.clear()
    said, done = answer(bot.chat(HELLO, Settings(stop=("1", "2", "3", "4", "END"))))
    assert (said, done.finish_reason) == ("one ", "stop")
    assert upstream.gone.wait(1)


# -- a bot behind a bot ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def worker() -> Iterator[str]:
    """The address of a real echo worker in a process of its own."""
    flags = ["--type", "echo", "--name", "parrot", "--max-new-tokens", "131072"]
    with running_worker(*flags) as made:
        yield made.url


def test_behind_a_bot_is_a_bot(worker: str, make: Callable[[str], OpenAIChatBot]) -> None:
    """Streaming, in pieces, with the characters whole and the counts of the one behind."""
    bot = make(worker)
    question = "Wie geht's? 你好，世界！ 👩‍👧 😀 and so on"
    events = list(bot.chat([Message("user", question)]))
    deltas = [event for event in events if isinstance(event, Delta)]
    assert "".join(one.text for one in deltas) == question
    assert isinstance(events[-1], Done)
    assert events[-1].finish_reason == "stop"
    assert events[-1].usage.completion_tokens > 3


def test_settings_go_through(worker: str, make: Callable[[str], OpenAIChatBot]) -> None:
    """The limit is obeyed; a setting that the bot behind does not have is its refusal."""
    bot = make(f"{worker}/v1#parrot")
    said, done = answer(
        bot.chat([Message("user", "one two three four")], Settings(max_new_tokens=2))
    )
    assert (said, done.finish_reason) == ("one two", "length")
    said, done = answer(bot.chat([Message("user", "one two three")], Settings(stop=(" two",))))
    assert (said, done.finish_reason) == ("one", "stop")
    with pytest.raises(InvalidRequest, match=r"\(400\): .*temperature"):
        list(bot.chat(HELLO, Settings(temperature=0.5)))
    with pytest.raises(LoadError, match=r"no model 'cat'\. It has: parrot"):
        make(f"{worker}#cat")


def test_stopping_a_bot_stops_the_bot_behind_it(
    worker: str, make: Callable[[str], OpenAIChatBot]
) -> None:
    """Its running counter is 0 right after."""
    bot = make(worker)
    stop = threading.Event()
    # Long enough to run for a while even on a fast machine.
    question = [Message("user", "word " * 100_000)]
    for event in bot.chat(question, Settings(max_new_tokens=131072), stop):
        if isinstance(event, Delta):
            stop.set()
    assert isinstance(event, Done)
    assert event.finish_reason == "cancelled"
    eventually(
        lambda: httpx.get(f"{worker}/info").json()["queue"]["running"] == 0, "an idle worker", 2
    )
