"""A bot that says all it was told, so that a test sees what reached it."""

from collections.abc import Sequence

from bots.backends.echo import EchoBot
from bots.events import Message
from bots.settings import BotSettings


class RecallBot(EchoBot):
    """Says the whole conversation, a line a message."""

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """Roles and texts."""
        return "\n\n".join(f"{one.role}: {one.content}" for one in messages)
