"""ChatGLM2-6B (https://github.com/THUDM/ChatGLM2-6B): rounds numbered from 1."""

from collections.abc import Sequence

from bots.backends.transformers import TransformersChatBot, TransformersSettings
from bots.events import Message
from bots.settings import BotSettings, with_defaults
from bots.turns import Turns


class ChatGLM2Bot(TransformersChatBot):
    """ChatGLM2-6B. A system message is put above the first question.

    The tokenizer prepends `[gMASK]sop`.
    """

    family = "chatglm2"
    finite_logits = True
    Settings = with_defaults(TransformersSettings, temperature=0.8, top_p=0.8, max_new_tokens=8192)
    adds_special_tokens = True

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """The numbered rounds, with empty lines between questions and answers."""
        turns = Turns.of(messages).with_system_in_front()
        rounds = [
            f"[Round {n}]\n\n问：{q}\n\n答：{a}\n\n" for n, (q, a) in enumerate(turns.history, 1)
        ]
        return "".join([*rounds, f"[Round {len(rounds) + 1}]\n\n问：{turns.question}\n\n答："])

    def process_response(self, text: str) -> str:
        """Fill in the placeholder of the training date."""
        return text.strip().replace("[[训练时间]]", "2023年")
