"""What a checkpoint is like, through the contract: its size, how well it predicts, what it says."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bots.chatbot import ChatBot
from bots.events import Delta, Message, PromptScored, Replace

WINDOW = 512
"""Tokens of a text that are scored together."""

QUESTIONS = (
    "What is the capital of France, and what is it known for?",
    "Explain in two sentences why the sky is blue.",
)


@dataclass(frozen=True)
class Measured:
    """Perplexity of a text in `tokens` tokens, and answers to `QUESTIONS`."""

    perplexity: float
    tokens: int
    answers: tuple[str, ...]


def perplexity(bot: ChatBot, ids: Sequence[int], window: int = WINDOW) -> float:
    """exp of the mean negative log-probability of a text's tokens, each given those before it in
    its window (https://huggingface.co/docs/transformers/perplexity, without overlap). A window is
    at most the model's context. Infinite where the mean is too large for a number.

    For bots with `token_prompts` and `prompt_logprobs`. Raises what `prepare_text` raises.
    """
    settings = bot.Settings.model_validate({"max_new_tokens": 0, "prompt_logprobs": 0})
    window = min(window, bot.info().context_length or window)
    total, count = 0.0, 0
    for begin in range(0, len(ids) - 1, window):
        for event in bot.run(bot.prepare_text(ids[begin : begin + window], settings)):
            if isinstance(event, PromptScored):
                scored = [one.logprob for one in event.logprobs if one.logprob is not None]
                total -= math.fsum(scored)
                count += len(scored)
    try:
        return math.exp(total / count)
    except OverflowError:
        return math.inf


def answer(bot: ChatBot, question: str, tokens: int = 48) -> str:
    """The beginning of the greedy answer to one question."""
    settings = bot.Settings.model_validate({"max_new_tokens": tokens, "temperature": 0})
    text = ""
    for event in bot.chat([Message("user", question)], settings):
        if isinstance(event, Delta):
            text += event.text
        elif isinstance(event, Replace):
            text = event.text
    return text.strip()


def measure(bot: ChatBot, ids: Sequence[int]) -> Measured:
    """All of it, of a loaded bot. `ids` are the text's tokens."""
    answers = tuple(answer(bot, question) for question in QUESTIONS)
    return Measured(perplexity(bot, ids), len(ids), answers)
