"""ChatGLM-6B (https://github.com/THUDM/ChatGLM-6B): rounds numbered from 0."""

import re
from collections.abc import Sequence

from bots.backends.transformers import TransformersChatBot, TransformersSettings
from bots.events import Message
from bots.settings import BotSettings, with_defaults
from bots.turns import Turns

_FULL_WIDTH = dict(zip(",!:;?", "，！：；？", strict=True))
_BESIDE_CHINESE = re.compile(r"(?<=[\u4e00-\u9fff])[,!:;?]|[,!:;?](?=[\u4e00-\u9fff])")


class ChatGLMBot(TransformersChatBot):
    """ChatGLM-6B. A system message is put above the first question.

    The tokenizer appends `[gMASK]<sop>`.
    """

    family = "chatglm"
    finite_logits = True
    Settings = with_defaults(TransformersSettings, temperature=0.95, top_p=0.7, max_new_tokens=2048)
    stop_tokens = ("<eop>",)
    adds_special_tokens = True

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """The numbered rounds; a conversation of one question is that question alone."""
        turns = Turns.of(messages).with_system_in_front()
        if not turns.history:
            return turns.question
        rounds = [f"[Round {n}]\n问：{q}\n答：{a}\n" for n, (q, a) in enumerate(turns.history)]
        return "".join([*rounds, f"[Round {len(rounds)}]\n问：{turns.question}\n答："])

    def process_response(self, text: str) -> str:
        """Fill in the training date, and make marks beside Chinese characters full-width."""
        text = text.strip().replace("[[训练时间]]", "2023年")
        return _BESIDE_CHINESE.sub(lambda found: _FULL_WIDTH[found[0]], text)
