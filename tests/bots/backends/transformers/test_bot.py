"""TransformersChatBot and the auto family: loading from a folder, answering, failing clearly."""

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from bots.backends.transformers import TransformersSettings
from bots.chatbot import ChatBot
from bots.errors import ConfigError, ContextLengthExceeded, InvalidRequest, LoadError, OutOfMemory
from bots.events import Delta, Done, Message, PromptScored, Start
from bots.families.auto import AutoBot
from bots.layers.half import can_halve
from bots.settings import BotConfig

GREEDY = {"temperature": 0, "max_new_tokens": 12}


def loaded(folder: Path, **config: Any) -> AutoBot:
    bot = AutoBot(BotConfig(str(folder), **config))
    bot.load()
    return bot


@pytest.fixture(scope="module")
def bot(tiny_folder: Path) -> AutoBot:
    return loaded(tiny_folder)


def ask(text: str) -> list[Message]:
    return [Message("user", text)]


def answer(bot: ChatBot, text: str, **settings: Any) -> str:
    parsed = bot.Settings.parse(GREEDY | settings)
    return "".join(e.text for e in bot.chat(ask(text), parsed) if isinstance(e, Delta))


def test_the_prompt_is_the_template_s(bot: AutoBot) -> None:
    assert bot.get_prompt(ask("hi"), bot.Settings()) == "<|user|>hi</s>"


def test_an_answer_is_that_of_generate(bot: AutoBot) -> None:
    prompt = bot.prepare(ask("the fox"), bot.Settings.parse(GREEDY))
    ids = torch.tensor([prompt.inputs.token_ids])
    out = bot.model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False, pad_token_id=0
    )
    wanted = bot.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
    assert answer(bot, "the fox").rstrip("\ufffd") == wanted.rstrip("\ufffd")


def test_events_carry_ids_and_counts(bot: AutoBot) -> None:
    events = list(bot.chat(ask("hi"), bot.Settings.parse(GREEDY | {"ignore_eos": True})))
    assert isinstance(events[0], Start)
    ids = [one for event in events if isinstance(event, Delta) for one in event.token_ids]
    assert len(ids) == 12
    done = events[-1]
    assert isinstance(done, Done)
    assert (done.finish_reason, done.usage.completion_tokens) == ("length", 12)
    assert done.usage.prompt_tokens == events[0].prompt_tokens


def test_the_stop_tokens_are_the_checkpoint_s(bot: AutoBot) -> None:
    assert bot.extra_settings() == {"stop_token_ids": (0,)}
    settings = bot.prepare(ask("x"), bot.Settings()).settings
    assert isinstance(settings, TransformersSettings)
    assert settings.stop_token_ids == (0,)


def test_raw_prompts_are_used_exactly_as_given(bot: AutoBot) -> None:
    settings = bot.Settings.parse(GREEDY)
    assert bot.prepare_text([5, 6], settings).inputs.token_ids == [5, 6]
    text = bot.prepare_text("the fox", settings).inputs
    assert text.token_ids == bot.tokenizer.encode("the fox", add_special_tokens=False)
    for wrong in ([], [-1], [10**6], ""):
        with pytest.raises(InvalidRequest):
            bot.prepare_text(wrong, settings)


def test_prompt_scores_begin_with_a_token_that_nothing_predicts(bot: AutoBot) -> None:
    settings = bot.Settings.parse({"max_new_tokens": 1, "prompt_logprobs": 1, "logprobs": 1})
    events = list(bot.run(bot.prepare_text([5, 6, 7], settings)))
    scored = next(event.logprobs for event in events if isinstance(event, PromptScored))
    assert [one.token_id for one in scored] == [5, 6, 7]
    assert scored[0].logprob is None
    assert all(one.logprob is not None and one.top for one in scored[1:])


def test_a_token_is_named_once(bot: AutoBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Naming is done in the engine's thread, where all requests wait for it."""
    named: list[int] = []
    decode = bot.tokenizer.decode

    def counted(ids: list[int], **options: Any) -> str:
        named.extend(ids)
        return str(decode(ids, **options))

    monkeypatch.setattr(bot.tokenizer, "decode", counted)
    settings = bot.Settings.parse({"max_new_tokens": 0, "prompt_logprobs": 3})
    for _ in range(2):
        named.clear()
        prepared = bot.prepare_text([9, 8, 9, 8, 9, 8], settings)
        named.clear()
        list(bot.run(prepared))
    assert named == []


def test_a_prompt_over_the_context_is_refused(bot: AutoBot) -> None:
    with pytest.raises(ContextLengthExceeded):
        bot.prepare(ask("x" * 3000), bot.Settings())


def test_info_names_what_runs(bot: AutoBot) -> None:
    info = bot.info()
    assert info.native_class == "LlamaForCausalLM"
    assert info.dtype == "float32"
    assert info.context_length == 2048
    assert info.device_map == {"": "cpu"}
    assert (info.engine, info.engine_reason) == ("continuous_batching", None)


def test_memory_counts_weights_and_what_is_kept_of_requests(bot: AutoBot) -> None:
    answer(bot, "the fox")
    held = bot.memory()
    tensors = (*bot.model.parameters(), *bot.model.buffers())
    assert held["weights"] == sum(one.numel() * one.element_size() for one in tensors)
    assert 0 < held["cache"] < held["peak"]
    assert held["weights"] < held["peak"]


def test_loading_reports_its_progress(tiny_folder: Path) -> None:
    reported: list[tuple[str, float | None]] = []
    bot = AutoBot(BotConfig(str(tiny_folder)))
    bot.load(lambda stage, fraction: reported.append((stage, fraction)))
    assert [stage for stage, fraction in reported if fraction is None] == ["tokenizer", "weights"]
    assert ("loading weights", 1.0) in reported


def test_two_requests_at_once_do_not_disturb_each_other(bot: AutoBot) -> None:
    alone = [answer(bot, text) for text in ("the fox", "a dog")]
    first, second = (bot.chat(ask(t), bot.Settings.parse(GREEDY)) for t in ("the fox", "a dog"))
    texts = ["", ""]
    for events in zip(first, second, strict=False):
        for n, event in enumerate(events):
            texts[n] += event.text if isinstance(event, Delta) else ""
    for n, rest in enumerate((first, second)):
        texts[n] += "".join(event.text for event in rest if isinstance(event, Delta))
    assert texts == alone


needs_fbgemm = pytest.mark.skipif(not can_halve(), reason="FBGEMM is for x86")


@needs_fbgemm
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_on_a_cpu_answers_as_at_full_size(
    dtype: torch.dtype, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32, with weights that lose nothing in float16."""
    monkeypatch.setattr("bots.checkpoints.placement.has_fast_bfloat16", lambda: False)
    folder = shutil.copytree(tiny_folder, tmp_path / "half")
    AutoModelForCausalLM.from_pretrained(tiny_folder).to(dtype).save_pretrained(folder)
    bot, full = loaded(folder), loaded(folder, dtype="float32")
    assert (bot.info().dtype, full.info().dtype) == ("float16", "float32")
    assert answer(bot, "the fox jumps over") == answer(full, "the fox jumps over")
    settings = bot.Settings.parse({"max_new_tokens": 0, "prompt_logprobs": 3})
    scores = []
    for one in (bot, full):
        events = one.run(one.prepare_text([5, 6, 7, 8, 9], settings))
        found = next(event.logprobs for event in events if isinstance(event, PromptScored))
        scores.append([score.logprob for score in found[1:]])
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)


@needs_fbgemm
def test_float16_on_a_cpu_rounds_the_weights_alone(tiny_folder: Path) -> None:
    bot = loaded(tiny_folder, dtype="float16", devices="cpu")
    assert bot.info().dtype == "float16"
    assert bot.model.model.norm.weight.dtype == torch.float32
    assert answer(bot, "the fox")


def test_float16_becomes_float32_where_there_is_no_product_for_it(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.checkpoints.placement.can_halve", lambda: False)
    with pytest.warns(UserWarning, match="using float32"):
        bot = loaded(tiny_folder, dtype="float16", devices="cpu")
    assert bot.info().dtype == "float32"


def test_bfloat16_stays_where_the_cpu_multiplies_it(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.checkpoints.placement.has_fast_bfloat16", lambda: True)
    folder = shutil.copytree(tiny_folder, tmp_path / "half")
    AutoModelForCausalLM.from_pretrained(tiny_folder).to(torch.bfloat16).save_pretrained(folder)
    assert loaded(folder).info().dtype == "bfloat16"


def test_bfloat16_is_bfloat16(tiny_folder: Path) -> None:
    assert loaded(tiny_folder, dtype="bfloat16").info().dtype == "bfloat16"


def test_devices_that_are_not_there(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(LoadError, match="no GPU 0; this machine has 0"):
        loaded(tiny_folder, devices="0")


def test_a_tokenizer_without_a_template_says_what_to_do(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "plain")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(LoadError, match=r"no chat template.*--type"):
        loaded(folder)


def test_a_template_that_refuses_the_messages_is_the_request_s_fault(tiny_folder: Path) -> None:
    bot = loaded(tiny_folder)
    bot.tokenizer.chat_template = "{{ raise_exception('no system role') }}"
    with pytest.raises(InvalidRequest, match="no system role"):
        bot.prepare(ask("x"), bot.Settings())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "no_such_type"}, "no_such_type"),
        (
            {"model_type": "odd", "auto_map": {"AutoConfig": "c.C"}},
            "brings code; --trust-remote-code",
        ),
    ],
)
def test_an_unknown_architecture_is_one_sentence_and_asks_nothing(
    tiny_folder: Path, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "odd")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(LoadError, match=words) as caught:
        loaded(folder)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("broken", ["truncated", "missing"])
def test_broken_weights_are_one_sentence(tiny_folder: Path, tmp_path: Path, broken: str) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / broken)
    weights = folder / "model.safetensors"
    if broken == "missing":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(LoadError, match="Cannot load the model") as caught:
        loaded(folder)
    assert "\n" not in caught.value.message


def test_a_folder_without_a_model_is_a_wrong_option(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"without config\.json"):
        loaded(tmp_path)


def test_a_whole_model_takes_no_base(tiny_folder: Path) -> None:
    with pytest.raises(ConfigError, match="whole model and no adapter"):
        loaded(tiny_folder, base_model="some/base")


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("x"), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
)
def test_a_full_device_fails_one_request_only(
    bot: AutoBot, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr("bots.engine.ragged_batch.RaggedBatchRunner.forward", full)
        with pytest.raises(OutOfMemory, match="not enough memory"):
            answer(bot, "x")
    assert answer(bot, "the fox")


def test_stop_ends_an_answer(bot: AutoBot) -> None:
    stop = threading.Event()
    stream = bot.chat(
        ask("x"), bot.Settings.parse({"max_new_tokens": 500, "ignore_eos": True}), stop
    )
    for event in stream:
        if isinstance(event, Delta):
            stop.set()
    assert isinstance(event, Done)
    assert event.finish_reason == "cancelled"
    assert event.usage.completion_tokens == 1


@pytest.mark.model
def test_the_built_in_model_knows_the_capital_of_france() -> None:
    bot = AutoBot(BotConfig("builtin:smollm2"))
    bot.load()
    assert answer(bot, "What is the capital of France? Answer in one sentence.") == (
        "The capital of France is Paris."
    )
