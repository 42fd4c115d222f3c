"""FastChat-T5 (https://github.com/lm-sys/FastChat): T5, turns marked by `###`."""

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
    """FastChat-T5. A system message replaces the introduction."""

    family = "fastchat-t5"
    stop_texts = ("###",)
    adds_special_tokens = True

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """The introduction, then each turn on a line."""
        turns = Turns.of(messages)
        system = SYSTEM if turns.system is None else turns.system
        history = "".join(f"### Human: {q}\n### Assistant: {a}\n" for q, a in turns.history)
        return f"{system}\n{history}### Human: {turns.question}\n### Assistant:"

    def process_response(self, text: str) -> str:
        """The answer without surrounding white space."""
        return text.strip()
