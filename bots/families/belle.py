"""BELLE (https://github.com/LianjiaTech/BELLE): BLOOM, `Human:` and `Assistant:`."""

from collections.abc import Sequence

from bots.backends.transformers import TransformersChatBot
from bots.events import Message
from bots.settings import BotSettings
from bots.turns import Turns


class BelleBot(TransformersChatBot):
    """A system message goes above the first question."""

    family = "belle"
    adds_special_tokens = True

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """Questions and answers with empty lines between them."""
        turns = Turns.of(messages).with_system_in_front()
        said = "".join(f"Human: {q}\n\nAssistant: {a}\n\n" for q, a in turns.history)
        return f"{said}Human: {turns.question}\n\nAssistant: "
