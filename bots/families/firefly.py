"""Firefly (https://github.com/yangjianxin1/Firefly): BLOOM, turns between `<s>` and `</s>`."""

from collections.abc import Sequence

from bots.backends.transformers import TokenInputs, TransformersChatBot, TransformersSettings
from bots.events import Message
from bots.settings import BotSettings, with_defaults
from bots.turns import Turns

HISTORY_TOKENS = 1000
"""Length of the history in the prompt; older tokens are cut off."""


class FireflyBot(TransformersChatBot):
    """Firefly. A system message is put above the first question."""

    family = "firefly"
    Settings = with_defaults(TransformersSettings, temperature=0.35, top_p=0.9, max_new_tokens=500)

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """The turns in full; `encode_messages` cuts the history."""
        return "".join(self._parts(messages))

    def encode_messages(self, messages: Sequence[Message], settings: BotSettings) -> TokenInputs:
        """Encode the newest tokens of the history and the whole question."""
        history, question = self._parts(messages)
        history_ids = self.tokenizer.encode(history, add_special_tokens=False)
        kept = history_ids[-HISTORY_TOKENS:]
        if kept != history_ids:
            history = self.tokenizer.decode(kept)
        question_ids = self.tokenizer.encode(question, add_special_tokens=False)
        return self._inputs(history + question, [*kept, *question_ids])

    @staticmethod
    def _parts(messages: Sequence[Message]) -> tuple[str, str]:
        """The text of the history and that of the question."""
        turns = Turns.of(messages).with_system_in_front()
        history = "".join(f"<s>{q}</s></s>{a}</s>" for q, a in turns.history)
        return history, f"<s>{turns.question}</s></s>"
