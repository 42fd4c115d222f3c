"""BELLE (https://github.com/LianjiaTech/BELLE): BLOOM, turns after `Human:` and `Assistant:`."""

from collections.abc import Sequence

from bots.backends.transformers import TransformersChatBot
from bots.events import Message
from bots.settings import BotSettings
from bots.turns import Turns


class BelleBot(TransformersChatBot):
    """BELLE. A system message is put above the first question."""

    family = "belle"
    adds_special_tokens = True

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """Turns separated by empty lines."""
        turns = Turns.of(messages).with_system_in_front()
        history = "".join(f"Human: {q}\n\nAssistant: {a}\n\n" for q, a in turns.history)
        return f"{history}Human: {turns.question}\n\nAssistant: "
