"""GODEL (https://github.com/microsoft/GODEL): T5, grounded in an instruction and knowledge."""

from collections.abc import Sequence

from bots.backends.transformers import TransformersChatBot, TransformersSettings
from bots.events import Message
from bots.settings import control, with_defaults
from bots.turns import Turns


class GodelSettings(TransformersSettings):
    """Sampling settings, the instruction and the knowledge."""

    instruction: str = control(
        "given a dialog context, you need to response empathically.",
        "text",
        "Instruction",
        "What the model is to do; a system message replaces it.",
        max_length=10_000,
    )
    knowledge: str = control(
        "", "text", "Knowledge", "What the answer is to be based on.", max_length=100_000
    )


class GodelBot(TransformersChatBot[GodelSettings]):
    """GODEL. A system message replaces the instruction. The tokenizer appends `</s>`."""

    family = "godel"
    Settings = with_defaults(
        GodelSettings, temperature=1.0, top_p=0.9, max_new_tokens=128, min_new_tokens=8
    )
    adds_special_tokens = True

    def get_prompt(self, messages: Sequence[Message], settings: GodelSettings) -> str:
        """The instruction, the turns separated by ` EOS `, and the knowledge."""
        turns = Turns.of(messages)
        instruction = settings.instruction if turns.system is None else turns.system
        chat = " EOS ".join([*(text for pair in turns.history for text in pair), turns.question])
        knowledge = f" [KNOWLEDGE] {settings.knowledge}" if settings.knowledge else ""
        return f"Instruction: {instruction} [CONTEXT] {chat}{knowledge}"
