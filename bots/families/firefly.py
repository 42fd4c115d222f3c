"""Firefly (https://github.com/yangjianxin1/Firefly): BLOOM, turns between `<s>` and `</s>`."""

from collections.abc import Sequence

from bots.backends.transformers import TokenInputs, TransformersChatBot, TransformersSettings
from bots.events import Message
from bots.settings import BotSettings, with_defaults
from bots.turns import Turns

HISTORY_TOKENS = 1000
"""Newest tokens of the turns before the question that the model sees."""


class FireflyBot(TransformersChatBot):
    """A system message goes above the first question."""

    family = "firefly"
    Settings = with_defaults(TransformersSettings, temperature=0.35, top_p=0.9, max_new_tokens=500)

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """The turns, without the cut that `encode_messages` makes."""
        return "".join(self._parts(messages))

    def encode_messages(self, messages: Sequence[Message], settings: BotSettings) -> TokenInputs:
        """The newest tokens of the history and all of the question."""
        history, question = self._parts(messages)
        said = self.tokenizer.encode(history, add_special_tokens=False)
        kept = said[-HISTORY_TOKENS:]
        shown = history if kept == said else self.tokenizer.decode(kept)
        asked = self.tokenizer.encode(question, add_special_tokens=False)
        return self._inputs(shown + question, [*kept, *asked])

    @staticmethod
    def _parts(messages: Sequence[Message]) -> tuple[str, str]:
        turns = Turns.of(messages).with_system_in_front()
        history = "".join(f"<s>{q}</s></s>{a}</s>" for q, a in turns.history)
        return history, f"<s>{turns.question}</s></s>"
