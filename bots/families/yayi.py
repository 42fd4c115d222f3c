"""YaYi (https://github.com/wenge-research/YaYi): BLOOM or LLaMA 2, turns below their marks."""

from collections.abc import Sequence

from bots.backends.transformers import TransformersChatBot, TransformersSettings
from bots.events import Message
from bots.settings import BotSettings, with_defaults
from bots.turns import Turns

SYSTEM = (
    "A chat between a human and an AI assistant named YaYi.\n"
    "YaYi is a helpful and harmless language model developed by Beijing Wenge Technology Co.,Ltd."
)


class YaYiBot(TransformersChatBot):
    """YaYi. A system message replaces the introduction."""

    family = "yayi"
    Settings = with_defaults(
        TransformersSettings, temperature=0.3, top_p=1.0, repetition_penalty=1.1, max_new_tokens=100
    )
    stop_tokens = ("<|End|>",)
    adds_special_tokens = True  # LLaMA's `<s>`; BLOOM's tokenizer adds none

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """The system text and the turns, separated by empty lines."""
        turns = Turns.of(messages)
        system = SYSTEM if turns.system is None else turns.system
        history = "".join(f"\n\n<|Human|>:\n{q}\n\n<|YaYi|>:\n{a}" for q, a in turns.history)
        return f"<|System|>:\n{system}{history}\n\n<|Human|>:\n{turns.question}\n\n<|YaYi|>:"

    def process_response(self, text: str) -> str:
        """The answer without surrounding white space, such as the line break after the mark."""
        return text.strip()
