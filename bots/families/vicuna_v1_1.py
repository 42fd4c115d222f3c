"""Vicuna v1.1 (https://github.com/lm-sys/FastChat): LLaMA, turns after `USER:` and `ASSISTANT:`."""

from collections.abc import Sequence

from bots.backends.transformers import TransformersChatBot
from bots.events import Message
from bots.settings import BotSettings
from bots.turns import Turns

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives"
    " helpful, detailed, and polite answers to the user's questions."
)


class VicunaV11Bot(TransformersChatBot):
    """Vicuna v1.1, unrelated to Chinese-Vicuna. A system message replaces the introduction."""

    family = "vicuna-v1.1"
    adds_special_tokens = True
    trims_history = True

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """All turns on one line; `</s>` ends each answer."""
        turns = Turns.of(messages)
        system = SYSTEM if turns.system is None else turns.system
        history = "".join(f"USER: {q} ASSISTANT: {a}</s>" for q, a in turns.history)
        return f"{system} {history}USER: {turns.question} ASSISTANT:"

    def process_response(self, text: str) -> str:
        """The answer without surrounding white space, such as the blank after the mark."""
        return text.strip()
