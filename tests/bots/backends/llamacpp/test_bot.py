"""The llama.cpp bot on the built-in model: prompts, streaming, settings, stop, bad files."""

import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bots.backends.llamacpp.bot import LlamaCppChatBot
from bots.backends.llamacpp.socket import private_folder, remove_leftovers
from bots.errors import BotError, ContextLengthExceeded, InvalidRequest, LoadError
from bots.events import Delta, Done, Event, Message, PromptScored, Start
from bots.registry.registry import choose_bot
from bots.settings import BotConfig
from bots.streaming.pause import Pause
from tests.bots.backends.llamacpp.test_gguf_header import gguf

Settings = LlamaCppChatBot.Settings
HELLO = [Message("user", "Say hello.")]
GREEDY = Settings(temperature=0, max_new_tokens=24)
LONG = "The quick brown fox jumps over the lazy dog. " * 150


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for one another crawl where cores are shared, as on test machines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


def load(path: Path, **config: Any) -> LlamaCppChatBot:
    """A loaded bot."""
    bot = LlamaCppChatBot(BotConfig(pretrained_path=str(path), **config))
    bot.load()
    return bot


@pytest.fixture(scope="module")
def bot(builtin_gguf: Path) -> Iterator[LlamaCppChatBot]:
    """The built-in model in four slots."""
    made = load(builtin_gguf)
    yield made
    made.close()


def answer(events: Iterator[Event]) -> str:
    """The whole text."""
    return "".join(event.text for event in events if isinstance(event, Delta))


def ids_of(events: Iterator[Event]) -> list[int]:
    """All token ids."""
    return [one for event in events if isinstance(event, Delta) for one in event.token_ids]


def ask(bot: LlamaCppChatBot, text: str = "Tell me about the sea.", **params: Any) -> str:
    """The answer to one question."""
    return answer(bot.chat([Message("user", text)], Settings(**{"max_new_tokens": 24, **params})))


def soon_idle(bot: LlamaCppChatBot, seconds: float = 1) -> bool:
    """Whether all slots are free in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if bot.idle_slots() == bot.max_running:
            return True
    return False


# -- files that are no model -----------------------------------------------------------------------


def test_the_family_is_known_by_the_ending() -> None:
    """No `--type` is needed for a GGUF file."""
    assert choose_bot("some/model.gguf") is LlamaCppChatBot


@pytest.mark.parametrize("content", [b"", b"no model", gguf()[:200]])
def test_a_bad_file_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    """Found before llama.cpp sees it."""
    file = tmp_path / "bad.gguf"
    file.write_bytes(content)
    with pytest.raises(LoadError, match=r"not a GGUF file|cut or damaged"):
        load(file)
    with pytest.raises(LoadError, match="There is no file"):
        load(tmp_path / "missing.gguf")


def test_a_file_without_a_template_is_refused(tmp_path: Path) -> None:
    """No format is guessed."""
    file = tmp_path / "base.gguf"
    file.write_bytes(gguf({"general.architecture": "llama"}))
    with pytest.raises(LoadError, match="no chat template inside"):
        load(file)


def test_a_file_that_llama_cpp_refuses_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process lives on, and the socket's folder is gone."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    file = tmp_path / "strange.gguf"
    strange: dict[str, object] = {
        "general.architecture": "no-such-thing",
        "tokenizer.chat_template": "{{ messages }}",
    }
    file.write_bytes(gguf(strange))
    with pytest.raises(LoadError, match=r"could not load .*no-such-thing"):
        load(file)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.model
@pytest.mark.parametrize("size", [3, 100, 5_000, 1_000_000, 3_000_000, 50_000_000, 98_362_431])
def test_a_real_file_cut_short_is_refused(tmp_path: Path, builtin_gguf: Path, size: int) -> None:
    """In every part of the file."""
    cut = tmp_path / "cut.gguf"
    with builtin_gguf.open("rb") as whole:
        cut.write_bytes(whole.read(size))
    with pytest.raises(LoadError, match=r"not a GGUF file|cut or damaged"):
        load(cut)


# -- what is loaded --------------------------------------------------------------------------------


@pytest.mark.model
def test_info_says_what_it_is(bot: LlamaCppChatBot) -> None:
    """The quantisation is the file's, the context the model's."""
    info = bot.info()
    assert (info.native_class, info.quantization, info.dtype) == ("llama.cpp", "Q4_1", None)
    assert info.context_length == 8192
    assert bot.max_running == 4


@pytest.mark.model
def test_memory_is_that_of_the_file_and_of_all_slots(
    bot: LlamaCppChatBot, builtin_gguf: Path
) -> None:
    held = bot.memory()
    assert held["weights"] <= builtin_gguf.stat().st_size < 1.1 * held["weights"]
    keys_and_values, layers, heads, head_size, bytes_each = 2, 30, 3, 64, 2
    token = keys_and_values * layers * heads * head_size * bytes_each
    assert held["cache"] == token * 8192 * 4
    assert held["peak"] > held["weights"]


@pytest.mark.model
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="Linux only")
def test_no_network_port_is_opened(bot: LlamaCppChatBot) -> None:
    """None of this process's sockets listens on TCP."""
    listening = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                listening.add(f"socket:[{fields[9]}]")
    ours = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            ours.add(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            continue
    assert any(name.startswith("socket:") for name in ours)
    assert not ours & listening


@pytest.mark.model
def test_the_socket_is_ours_alone_and_goes_with_the_bot(builtin_gguf: Path) -> None:
    """Slots are what `max_running` says; progress ends before the bot is used."""
    made = LlamaCppChatBot(
        BotConfig(pretrained_path=str(builtin_gguf), max_running=2, devices="cpu")
    )
    seen: list[tuple[str, float | None]] = []
    made.load(lambda stage, fraction: seen.append((stage, fraction)))
    assert ("reading the file", 1.0) in seen
    folder = made._folder
    assert folder is not None
    assert folder.stat().st_mode & 0o077 == 0
    assert made.idle_slots() == 2
    made.close()
    assert not folder.exists()


def socket_in(folder: Path, age: float = 60) -> socket.socket:
    """A socket as llama.cpp's, listening; closing it leaves its file, as a killed worker does."""
    folder.mkdir()
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(folder / "llama.sock"))
    made.listen()
    then = time.time() - age
    os.utime(folder / "llama.sock", (then, then))
    return made


def test_what_killed_workers_left_is_removed_at_the_next_load() -> None:
    """Only dead sockets of this kind, alone in their folder."""
    # Not pytest's own folder, whose name is too long for a socket.
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        root = Path(name)
        socket_in(root / "chatzoo-dead").close()
        socket_in(root / "chatzoo-young", age=0).close()  # may be about to listen
        socket_in(root / "chatzoo-shared").close()
        (root / "chatzoo-shared" / "notes.txt").write_text("mine")
        socket_in(root / "other").close()
        (root / "chatzoo-file").write_text("mine")
        (root / "chatzoo-empty").mkdir()
        (root / "chatzoo-link").symlink_to(root / "other")
        (root / "chatzoo-folder" / "llama.sock").mkdir(parents=True)
        with socket_in(root / "chatzoo-alive"):
            before = {one.name for one in root.iterdir()}
            remove_leftovers(root)
            assert before - {one.name for one in root.iterdir()} == {"chatzoo-dead"}
            assert (root / "other" / "llama.sock").exists()


def test_a_new_folder_is_made_after_old_ones_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that restarts do not fill the disk with names."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        monkeypatch.setattr("tempfile.tempdir", name)
        socket_in(Path(name) / "chatzoo-dead").close()
        folder = private_folder()
        assert list(Path(name).iterdir()) == [folder]
        assert folder.stat().st_mode & 0o077 == 0


# -- prompts ---------------------------------------------------------------------------------------

CONVERSATIONS = [
    [("user", "Hi")],
    [("system", "Be brief."), ("user", "Hi")],
    [("user", "One"), ("assistant", "Two"), ("user", "Three")],
    [
        ("user", "  spaces \n around  "),
        ("assistant", "\nlines\n"),
        ("user", "你好 😀 <b>&amp;</b>"),
    ],
    [("system", ""), ("user", "An empty system text")],
    [("user", "It ends with"), ("assistant", "the assistant")],
]


@pytest.mark.model
@pytest.mark.parametrize("turns", CONVERSATIONS)
def test_prompt_and_ids_are_those_of_transformers(
    bot: LlamaCppChatBot, builtin_folder: Path, turns: list[tuple[Any, str]]
) -> None:
    """llama.cpp's template engine and tokenizer against the same model's in transformers."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(builtin_folder)
    prompt = bot.get_prompt([Message(role, content) for role, content in turns], GREEDY)
    assert prompt == tokenizer.apply_chat_template(
        [{"role": role, "content": content} for role, content in turns],
        tokenize=False,
        add_generation_prompt=True,
    )
    assert bot.get_input(prompt).token_ids == tokenizer.encode(prompt)


@pytest.mark.model
def test_a_prompt_may_be_ids(bot: LlamaCppChatBot) -> None:
    """The same ids give the same answer as the text they came from."""
    prompt = bot.get_prompt(HELLO, GREEDY)
    ids = bot.get_input(prompt).token_ids
    assert ids is not None
    by_ids = bot.run(bot.prepare_text(ids, GREEDY))
    assert answer(by_ids) == answer(bot.run(bot.prepare_text(prompt, GREEDY)))
    assert bot.prepare_text(ids, GREEDY).inputs.prompt == prompt
    for wrong in ([49152], [-1]):
        with pytest.raises(InvalidRequest, match="from 0 to 49151"):
            bot.prepare_text(wrong, GREEDY)


@pytest.mark.model
def test_ids_that_end_inside_a_character_have_a_text_too(bot: LlamaCppChatBot) -> None:
    """It is what an echo shows; the ids are used as given."""
    ids = bot.get_input("a🙂").token_ids
    assert ids is not None
    inputs = bot.prepare_text(ids[:-1], GREEDY).inputs
    assert inputs.token_ids == ids[:-1]
    assert inputs.prompt.startswith("a")


@pytest.mark.model
def test_a_prompt_longer_than_the_context_is_refused(bot: LlamaCppChatBot) -> None:
    """With both numbers, before anything is decoded."""
    with pytest.raises(ContextLengthExceeded) as raised:
        bot.prepare([Message("user", LONG * 6)], GREEDY)
    assert raised.value.context_length == 8192


# -- answers ---------------------------------------------------------------------------------------


@pytest.mark.model
def test_an_answer_streams_and_is_counted(bot: LlamaCppChatBot) -> None:
    """One id a token, and llama.cpp's own counts."""
    events = list(bot.chat([Message("user", "Count from one to ten.")], GREEDY))
    assert isinstance(events[0], Start)
    done = events[-1]
    assert isinstance(done, Done)
    deltas = [event for event in events if isinstance(event, Delta)]
    assert len(deltas) > 5
    assert done.usage.prompt_tokens == events[0].prompt_tokens
    assert done.usage.completion_tokens in (
        len(ids_of(iter(events))),
        len(ids_of(iter(events))) + 1,
    )


@pytest.mark.model
def test_the_end_is_the_models_or_the_limits(bot: LlamaCppChatBot) -> None:
    """`length` at the limit, `stop` where the model ends, which can be ignored."""
    question = [Message("user", "What is the capital of France? One word.")]

    def last(**params: Any) -> Done:
        event = list(bot.chat(question, Settings(temperature=0, **params)))[-1]
        assert isinstance(event, Done)
        return event

    ended = last(max_new_tokens=200)
    assert ended.finish_reason == "stop"
    limited = last(max_new_tokens=2)
    assert (limited.finish_reason, limited.usage.completion_tokens) == ("length", 2)
    nothing = last(max_new_tokens=0)
    assert (nothing.finish_reason, nothing.usage.completion_tokens) == ("length", 0)
    further = last(max_new_tokens=ended.usage.completion_tokens + 5, ignore_eos=True)
    assert further.finish_reason == "length"


@pytest.mark.model
def test_a_known_beginning_is_not_computed_again(bot: LlamaCppChatBot) -> None:
    """The second turn finds the first one's keys and values."""
    first = [Message("user", "Remember the number seven, please.")]
    said = answer(bot.chat(first, GREEDY))
    second = [*first, Message("assistant", said), Message("user", "Which number?")]
    done = list(bot.chat(second, GREEDY))[-1]
    assert isinstance(done, Done)
    assert done.usage.cached_tokens > 40


@pytest.mark.model
def test_no_character_is_ever_broken(bot: LlamaCppChatBot) -> None:
    """Chinese and emoji, whatever the limit cuts; the ids of all tokens are there."""
    prompt = "你好，世界！😀👩‍👧🌟 你好，世界！😀👩‍👧🌟 你好，世界！😀👩‍👧🌟 你好，"
    whole = ""
    for limit in (24, *range(1, 16)):
        settings = Settings(temperature=0, max_new_tokens=limit, ignore_eos=True)
        events = list(bot.run(bot.prepare_text(prompt, settings)))
        text = answer(iter(events))
        whole = whole or text
        assert "\ufffd" not in text
        assert whole.startswith(text)
        assert bot._ids_of(text) == ids_of(iter(events))
    assert "世界" in whole


@pytest.mark.model
def test_a_stop_text_ends_the_answer_and_frees_the_slot(bot: LlamaCppChatBot) -> None:
    """The text before it stays; the model does not go on in secret."""
    whole = ask(bot, temperature=0, max_new_tokens=40)
    word = whole.split()[4]
    events = list(
        bot.chat(
            [Message("user", "Tell me about the sea.")],
            Settings(temperature=0, max_new_tokens=4000, ignore_eos=True, stop=(word,)),
        )
    )
    assert answer(iter(events)) == whole.partition(word)[0]
    assert isinstance(events[-1], Done)
    assert events[-1].finish_reason == "stop"
    assert soon_idle(bot)


@pytest.mark.model
def test_a_prompt_is_scored_as_an_answer_is(bot: LlamaCppChatBot) -> None:
    """An answer's log-probabilities are those of its tokens where they are the prompt."""
    settings = Settings(temperature=0, max_new_tokens=12, logprobs=2, ignore_eos=True)
    begin = bot.prepare_text("Hello, my name is", settings)
    new = [one for event in bot.run(begin) if isinstance(event, Delta) for one in event.logprobs]
    ids = [*(begin.inputs.token_ids or ()), *(one.token_id for one in new)]
    events = list(bot.run(bot.prepare_text(ids, Settings(max_new_tokens=0, prompt_logprobs=2))))
    (scored,) = (event.logprobs for event in events if isinstance(event, PromptScored))
    assert [one.token_id for one in scored] == ids
    assert scored[0].logprob is None
    for before, after in zip(new, scored[-len(new) :], strict=True):
        assert after.logprob == pytest.approx(before.logprob, abs=0.05)
        assert after.top[0].token_id == before.token_id
        assert len(after.top) == 2
    assert isinstance(events[-1], Done)
    assert (events[-1].finish_reason, events[-1].usage.completion_tokens) == ("length", 0)


@pytest.mark.model
def test_tokens_that_end_inside_a_character_are_scored(bot: LlamaCppChatBot) -> None:
    """The model's tokenizer has no whole token for most Chinese characters."""
    prepared = bot.prepare_text("狐狸", Settings(max_new_tokens=0, prompt_logprobs=0))
    ids = prepared.inputs.token_ids or ()
    assert len(ids) > 2
    (scored,) = (e.logprobs for e in bot.run(prepared) if isinstance(e, PromptScored))
    assert [one.token_id for one in scored] == list(ids)
    assert all(one.logprob is not None and -40 < one.logprob < 0 for one in scored[1:])
    assert all(one.top == () for one in scored)


@pytest.mark.model
def test_a_stop_ends_the_scoring(bot: LlamaCppChatBot) -> None:
    """At the next token; a long prompt would take a minute."""
    prepared = bot.prepare_text(LONG, Settings(max_new_tokens=0, prompt_logprobs=0))
    stop = threading.Event()
    stop.set()
    events = list(bot.run(prepared, stop))
    assert not [one for one in events if isinstance(one, PromptScored) and len(one.logprobs) > 1]
    assert soon_idle(bot)


@pytest.mark.model
def test_logprobs_are_of_the_whole_vocabulary(bot: LlamaCppChatBot) -> None:
    """The greedy token is the first candidate, whatever the sampling settings cut."""
    settings = Settings(temperature=0, top_k=1, max_new_tokens=5, logprobs=3)
    found = [
        one
        for event in bot.chat(HELLO, settings)
        if isinstance(event, Delta)
        for one in event.logprobs
    ]
    assert len(found) == 5
    for one in found:
        assert one.logprob is not None
        assert len(one.top) == 3
        assert (one.token_id, one.logprob) == (one.top[0].token_id, one.top[0].logprob)
        assert one.logprob < 0
        assert one.top[0].logprob >= one.top[1].logprob >= one.top[2].logprob


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.model
def test_each_way_to_be_greedy_is_greedy(bot: LlamaCppChatBot) -> None:
    """Every sampling setting reaches llama.cpp: at its strict end it leaves one token."""
    best = ask(bot, temperature=0)
    hot: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "seed": 5}
    assert ask(bot, **hot) != best
    assert ask(bot, **hot | {"top_k": 1}) == best
    assert ask(bot, **hot | {"top_p": 0.0}) == best
    assert ask(bot, **hot | {"min_p": 1.0}) == best


@pytest.mark.model
def test_a_seed_makes_an_answer_come_again(bot: LlamaCppChatBot) -> None:
    """And another seed, or none, gives another one."""
    hot: dict[str, Any] = {"temperature": 1.5, "top_p": 1.0}
    assert ask(bot, seed=1, **hot) == ask(bot, seed=1, **hot)
    assert len({ask(bot, seed=seed, **hot) for seed in (1, 2, 3)}) == 3
    assert ask(bot, **hot) != ask(bot, **hot)


@pytest.mark.model
@pytest.mark.parametrize(
    "params",
    [
        {"typical_p": 0.05, "temperature": 1.0, "top_p": 1.0, "seed": 5},
        {"repetition_penalty": 2.0, "temperature": 0},
        {"presence_penalty": 2.0, "temperature": 0},
        {"frequency_penalty": 2.0, "temperature": 0},
    ],
)
def test_each_other_setting_changes_the_answer(
    bot: LlamaCppChatBot, params: dict[str, Any]
) -> None:
    """Against the same request with that setting off."""
    name = next(iter(params))
    off = {key: value for key, value in params.items() if key != name}
    assert ask(bot, max_new_tokens=60, **params) != ask(bot, max_new_tokens=60, **off)


@pytest.mark.model
def test_penalties_count_the_prompt_too(bot: LlamaCppChatBot) -> None:
    """As the descriptions of the settings say: a word of the prompt becomes less probable."""
    prompt = bot.get_input("one two three four five six. one two three four").token_ids
    assert prompt is not None

    def first_id(**params: Any) -> list[int]:
        settings = Settings(temperature=0, max_new_tokens=1, **params)
        return ids_of(bot.run(bot.prepare_text(prompt, settings)))

    assert first_id()[0] in prompt
    assert (
        first_id(presence_penalty=2.0, frequency_penalty=2.0, repetition_penalty=2.0)[0]
        not in prompt
    )


# -- several at once, and stop ---------------------------------------------------------------------


@pytest.mark.model
def test_four_at_once_keep_their_own_settings(bot: LlamaCppChatBot) -> None:
    """Each thread gets its own length and its own answer."""
    limits = {0: 5, 1: 11, 2: 17, 3: 23}
    done: dict[int, Done] = {}

    def run(number: int) -> None:
        settings = Settings(max_new_tokens=limits[number], ignore_eos=True)
        last = list(bot.chat([Message("user", f"Story number {number}")], settings))[-1]
        assert isinstance(last, Done)
        done[number] = last

    threads = [threading.Thread(target=run, args=(number,)) for number in limits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {number: one.usage.completion_tokens for number, one in done.items()} == limits
    assert soon_idle(bot)


@pytest.mark.model
def test_a_stop_is_honoured_at_the_next_token(bot: LlamaCppChatBot) -> None:
    """llama.cpp's slot is idle right after, not when 4000 tokens are done."""
    stop = threading.Event()
    settings = Settings(max_new_tokens=4000, ignore_eos=True)
    after = 0
    for event in bot.chat(HELLO, settings, stop):
        if isinstance(event, Delta):
            after += stop.is_set()
            if bot.idle_slots() == 3 and not stop.is_set():
                stop.set()
    assert isinstance(event, Done)
    assert event.finish_reason == "cancelled"
    assert after == 0
    assert soon_idle(bot)


@pytest.mark.model
def test_a_paused_request_goes_on_in_llama_cpps_thread(bot: LlamaCppChatBot) -> None:
    """To its end there, and a stop text then frees the slot too."""
    prepared = bot.prepare(HELLO, Settings(temperature=0, max_new_tokens=4000, stop=("!",)))
    running = bot.run_pausing(prepared, threading.Event())
    events: list[Event] = []
    threads: list[str] = []
    ended = threading.Event()

    def go_on() -> None:
        threads.append(threading.current_thread().name)
        for event in running:
            if isinstance(event, Pause):
                event.arm(go_on)
                return
            events.append(event)
        ended.set()

    go_on()
    assert ended.wait(60)
    assert set(threads[1:]) == {"llama.cpp request"}
    assert answer(iter(events)) == "Hello"
    assert isinstance(events[-1], Done)
    assert events[-1].finish_reason == "stop"
    assert soon_idle(bot)


@pytest.mark.model
def test_closing_the_answer_frees_the_slot(bot: LlamaCppChatBot) -> None:
    """A browser that leaves closes the iterator."""
    events = bot.chat(HELLO, Settings(max_new_tokens=4000, ignore_eos=True))
    while not isinstance(next(events), Delta):
        pass
    assert bot.idle_slots() == 3
    events.close()  # type: ignore[attr-defined]
    assert soon_idle(bot)


@pytest.mark.model
def test_a_stop_during_a_long_prompt_does_not_wait_for_its_end(bot: LlamaCppChatBot) -> None:
    """The prompt is read in batches; a stop is looked at between them."""
    stop = threading.Event()
    timer = threading.Timer(0.05, stop.set)
    prepared = bot.prepare([Message("user", LONG)], GREEDY)
    assert prepared.prompt_tokens is not None
    assert prepared.prompt_tokens > 1400
    timer.start()
    events = list(bot.run(prepared, stop))
    assert answer(iter(events)) == ""
    assert isinstance(events[-1], Done)
    assert events[-1].finish_reason == "cancelled"
    assert soon_idle(bot, 10)
    slots = bot._ask("GET", "/slots")
    assert all(slot.get("n_prompt_tokens_processed", 0) < 700 for slot in slots)


@pytest.mark.model
def test_closing_the_bot_ends_what_runs(builtin_gguf: Path) -> None:
    """No thread stays in llama.cpp."""
    made = load(builtin_gguf, max_running=1)
    events = made.chat(HELLO, Settings(max_new_tokens=4000, ignore_eos=True))
    while not isinstance(next(events), Delta):
        pass
    made.close()
    with pytest.raises(BotError, match="without saying why"):
        list(events)
    assert not [one for one in threading.enumerate() if one.name == "llama.cpp request"]


@pytest.mark.model
def test_nothing_of_a_request_is_written_anywhere(
    builtin_gguf: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """llama.cpp writes to the process's own standard error: neither prompts nor chatter."""
    made = load(builtin_gguf, max_running=1)
    ask(made, "the secret word is xyzzy", max_new_tokens=3)
    list(made.chat([Message("user", "xyzzy " * 3000)], GREEDY, _set()))
    made.close()
    out, err = capfd.readouterr()
    assert "xyzzy" not in out + err
    assert (out, err) == ("", "")


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event
