"""EduChat (https://github.com/icalk-nlp/EduChat): LLaMA, with modes set by its system text."""

from collections.abc import Sequence
from typing import Literal

from bots.backends.transformers import TransformersChatBot, TransformersSettings
from bots.events import Message
from bots.settings import control, with_defaults
from bots.turns import Turns

_SYSTEM = """\
你是一个人工智能助手，名字叫EduChat。
- EduChat是一个由华东师范大学开发的对话式语言模型。
EduChat的工具
- Web search: {}.
- Calculators: Disable.
EduChat的能力
- Inner Thought: {}.
对话主题
- General: {}.
- Psychology: {}.
- Socrates: {}."""

# Web search, inner thought, general, psychology, Socrates: the order in `_SYSTEM`.
_ENABLED = {
    "openQA": (False, False, True, False, False),
    "teacher-guide": (False, False, False, False, True),
    "emotionEase": (False, True, False, True, False),
    "retrievalQA": (True, True, True, False, False),
}


class EduChatSettings(TransformersSettings):
    """Sampling settings and the mode."""

    mode: Literal["openQA", "teacher-guide", "emotionEase", "retrievalQA"] = control(
        "openQA",
        "select",
        "Mode",
        "Open questions, a Socratic teacher, a comforting listener, or answers from a search.",
    )


class EduChatBot(TransformersChatBot[EduChatSettings]):
    """EduChat. A system message replaces the system text of the mode."""

    family = "educhat"
    Settings = with_defaults(
        EduChatSettings, temperature=0.7, top_p=0.8, repetition_penalty=1.02, max_new_tokens=256
    )
    reasoning_tags = ("<|inner_thoughts|>", "<eot>")
    adds_special_tokens = True
    trims_history = True
    history_turns = 8

    def get_prompt(self, messages: Sequence[Message], settings: EduChatSettings) -> str:
        """The system text of the mode, then each turn between its mark and `</s>`."""
        turns = Turns.of(messages)
        states = ("Enable" if on else "Disable" for on in _ENABLED[settings.mode])
        system = _SYSTEM.format(*states) if turns.system is None else turns.system
        history = "".join(f"<|prompter|>{q}</s><|assistant|>{a}</s>" for q, a in turns.history)
        return f"<|system|>{system}</s>{history}<|prompter|>{turns.question}</s><|assistant|>"

    def process_response(self, text: str) -> str:
        """Remove the reasoning tags that the answer still contains outside of its reasoning."""
        for tag in self.reasoning_tags:
            text = text.replace(tag, "")
        return text
