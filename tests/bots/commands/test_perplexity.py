"""What is measured of a model, against the plain formula."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bots.commands.perplexity import QUESTIONS, measure, perplexity
from bots.events import PromptScored
from bots.families.auto import AutoBot
from bots.settings import BotConfig


@pytest.fixture(scope="module")
def bot(tiny_folder: Path) -> Any:
    """The tiny model."""
    bot = AutoBot(BotConfig(str(tiny_folder), devices="cpu"))
    bot.load()
    yield bot
    bot.close()


def test_perplexity_is_that_of_a_plain_pass(bot: AutoBot) -> None:
    """Windows by themselves; the first token of each is not scored."""
    ids = [(7 * at + at // 3) % 200 + 2 for at in range(41)]
    losses: list[float] = []
    for begin in range(0, 41, 10):
        window = torch.tensor(ids[begin : begin + 10])
        with torch.inference_mode():
            logits = bot.model(input_ids=window[None]).logits[0].float()
        scored = logits[:-1].log_softmax(-1).gather(1, window[1:, None])
        losses += (-scored[:, 0]).tolist()
    assert len(losses) == 36
    wanted = math.exp(sum(losses) / 36)
    assert perplexity(bot, ids, window=10) == pytest.approx(wanted, rel=1e-4)


def test_a_broken_model_is_infinitely_perplexed(
    bot: AutoBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = PromptScored([SimpleNamespace(logprob=-800.0)] * 9)  # type: ignore[arg-type]
    monkeypatch.setattr(bot, "run", lambda _: iter([scored]))
    assert perplexity(bot, list(range(2, 40))) == math.inf


def test_answers_are_greedy(bot: AutoBot) -> None:
    found = measure(bot, list(range(2, 40)))
    assert found.tokens == 38
    assert len(found.answers) == len(QUESTIONS)
    assert found == measure(bot, list(range(2, 40)))
