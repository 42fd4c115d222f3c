"""The llama.cpp bot on the built-in model: files, prompts, concurrent requests and stops."""

import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from bots.backends.llamacpp.bot import LlamaCppChatBot
from bots.errors import BotError, ContextLengthExceeded, InvalidRequest, LoadError
from bots.events import Delta, Done, Event, Message
from bots.registry.registry import choose_bot
from bots.settings import BotConfig
from bots.streaming.pause import Pause
from tests.bots.backends.llamacpp.gguf_bytes import gguf
from tests.bots.backends.llamacpp.questions import (
    GREEDY,
    HELLO,
    LONG,
    Settings,
    answer,
    ask,
    load,
    soon_idle,
)

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
def test_the_socket_is_ours_alone_and_goes_with_the_bot(
    builtin_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slots are what `max_running` says; progress ends before the bot is used."""
    # Not pytest's own folder, whose path is too long for a socket.
    with tempfile.TemporaryDirectory(dir="/tmp") as root:
        monkeypatch.setattr("tempfile.tempdir", root)
        config = BotConfig(pretrained_path=str(builtin_gguf), max_running=2, devices="cpu")
        made = LlamaCppChatBot(config)
        seen: list[tuple[str, float | None]] = []
        made.load(lambda stage, fraction: seen.append((stage, fraction)))
        assert ("reading the file", 1.0) in seen
        (folder,) = Path(root).iterdir()
        assert folder.stat().st_mode & 0o077 == 0
        assert made.idle_slots() == 2
        made.close()
        assert not folder.exists()


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
    slots = bot.client.slots()
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
