"""AMchat (https://github.com/AXYZdong/AMchat) and InternLM2 chat models: turns in ChatML."""

from collections.abc import Sequence

from bots.backends.transformers import TransformersChatBot, TransformersSettings
from bots.events import Message
from bots.settings import BotSettings, with_defaults
from bots.turns import Turns

SYSTEM = (
    "You are a professional assistant for Advanced Mathematics answers, and developed by AMchat"
    " Group from China."
)


class AMchatBot(TransformersChatBot):
    """AMchat. A system message replaces the default one."""

    family = "amchat"
    Settings = with_defaults(
        TransformersSettings,
        temperature=0.7,
        top_p=0.8,
        repetition_penalty=1.005,
        max_new_tokens=32768,
    )
    stop_tokens = ("<|im_end|>",)

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """Turns between `<|im_start|>ROLE` and `<|im_end|>`, and the start of the answer."""
        turns = Turns.of(messages)
        blocks = [("system", SYSTEM if turns.system is None else turns.system)]
        for question, answer in turns.history:
            blocks += [("user", question), ("assistant", answer)]
        blocks.append(("user", turns.question))
        chat = "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in blocks)
        return f"<s>{chat}<|im_start|>assistant\n"
