"""Perplexity and sample answers of a loaded bot."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bots.chatbot import ChatBot
from bots.events import Delta, Message, PromptScored, Replace

WINDOW = 512
"""Tokens in a window of the text, scored in one request."""

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
    """Perplexity of a text: exp of the mean negative log-probability of its tokens.

    Each token is predicted from those before it in its window; windows do not overlap
    (https://huggingface.co/docs/transformers/perplexity) and are at most the model's context long.
    Infinite where the mean overflows exp.

    For bots with `token_prompts` and `prompt_logprobs`. Raises what `prepare_text` raises.
    """
    settings = bot.Settings.model_validate({"max_new_tokens": 0, "prompt_logprobs": 0})
    window = min(window, bot.info().context_length or window)
    total, count = 0.0, 0
    for begin in range(0, len(ids) - 1, window):
        for event in bot.run(bot.prepare_text(ids[begin : begin + window], settings)):
            if isinstance(event, PromptScored):
                scored = [token.logprob for token in event.logprobs if token.logprob is not None]
                total -= math.fsum(scored)
                count += len(scored)
    try:
        return math.exp(total / count)
    except OverflowError:
        return math.inf


def answer(bot: ChatBot, question: str, tokens: int = 48) -> str:
    """The first `tokens` tokens of the greedy answer to a question."""
    settings = bot.Settings.model_validate({"max_new_tokens": tokens, "temperature": 0})
    text = ""
    for event in bot.chat([Message("user", question)], settings):
        if isinstance(event, Delta):
            text += event.text
        elif isinstance(event, Replace):
            text = event.text
    return text.strip()


def measure(bot: ChatBot, ids: Sequence[int]) -> Measured:
    """Perplexity and answers of a loaded bot; `ids` are the tokens of the text."""
    answers = tuple(answer(bot, question) for question in QUESTIONS)
    return Measured(perplexity(bot, ids), len(ids), answers)
