"""EduChat (https://github.com/icalk-nlp/EduChat): LLaMA with modes, set by its system text."""

from collections.abc import Sequence
from typing import Literal

from bots.backends.transformers import TransformersChatBot, TransformersSettings
from bots.events import Message
from bots.settings import BotSettings, control, with_defaults
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

_ENABLED = {  # web search, inner thought, general, psychology, Socrates
    "openQA": (False, False, True, False, False),
    "teacher-guide": (False, False, False, False, True),
    "emotionEase": (False, True, False, True, False),
    "retrievalQA": (True, True, True, False, False),
}


class EduChatSettings(TransformersSettings):
    """What can be set for EduChat."""

    mode: Literal["openQA", "teacher-guide", "emotionEase", "retrievalQA"] = control(
        "openQA",
        "select",
        "Mode",
        "Open questions, a Socratic teacher, a comforting listener, or answers from a search.",
    )


class EduChatBot(TransformersChatBot):
    """A system message replaces the mode's system text."""

    family = "educhat"
    Settings = with_defaults(
        EduChatSettings, temperature=0.7, top_p=0.8, repetition_penalty=1.02, max_new_tokens=256
    )
    reasoning_tags = ("<|inner_thoughts|>", "<eot>")
    adds_special_tokens = True
    trims_history = True
    history_turns = 8

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """Each turn between its mark and `</s>`."""
        assert isinstance(settings, EduChatSettings)
        turns = Turns.of(messages)
        states = ("Enable" if on else "Disable" for on in _ENABLED[settings.mode])
        system = _SYSTEM.format(*states) if turns.system is None else turns.system
        said = "".join(f"<|prompter|>{q}</s><|assistant|>{a}</s>" for q, a in turns.history)
        return f"<|system|>{system}</s>{said}<|prompter|>{turns.question}</s><|assistant|>"

    def process_response(self, text: str) -> str:
        """Without tags that enclose no thoughts; as special tokens they would not be seen."""
        for tag in self.reasoning_tags:
            text = text.replace(tag, "")
        return text
