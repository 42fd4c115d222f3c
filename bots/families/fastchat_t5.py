"""FastChat-T5 (https://github.com/lm-sys/FastChat): T5, turns that begin with `###`."""

from collections.abc import Sequence

from bots.backends.transformers import TransformersChatBot
from bots.events import Message
from bots.settings import BotSettings
from bots.turns import Turns

SYSTEM = (
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives"
    " helpful, detailed, and polite answers to the human's questions."
)


class FastChatT5Bot(TransformersChatBot):
    """A system message replaces the introduction."""

    family = "fastchat-t5"
    stop_texts = ("###",)
    adds_special_tokens = True

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """Each turn on a line."""
        turns = Turns.of(messages)
        system = SYSTEM if turns.system is None else turns.system
        said = "".join(f"### Human: {q}\n### Assistant: {a}\n" for q, a in turns.history)
        return f"{system}\n{said}### Human: {turns.question}\n### Assistant:"

    def process_response(self, text: str) -> str:
        """Without white space around it."""
        return text.strip()
