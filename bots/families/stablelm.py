"""StableLM-Tuned-Alpha (https://github.com/Stability-AI/StableLM): GPT-NeoX, roles as tokens."""

from collections.abc import Sequence

from bots.backends.transformers import TransformersChatBot
from bots.events import Message
from bots.settings import BotSettings
from bots.turns import Turns

SYSTEM = """\
# StableLM Tuned (Alpha version)
- StableLM is a helpful and harmless open-source AI language model developed by StabilityAI.
- StableLM is excited to be able to help the user, but will refuse to do anything that could be \
considered harmful to the user.
- StableLM is more than just an information source, StableLM is also able to write poetry, short \
stories, and make jokes.
- StableLM will refuse to participate in anything that could harm a human.
"""


class StableLMBot(TransformersChatBot):
    """StableLM. A system message replaces the default one."""

    family = "stablelm"
    stop_tokens = ("<|USER|>", "<|ASSISTANT|>", "<|SYSTEM|>", "<|padding|>", "<|endoftext|>")

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """Each turn after its mark, with nothing between the turns."""
        turns = Turns.of(messages)
        system = SYSTEM if turns.system is None else turns.system
        history = "".join(f"<|USER|>{q}<|ASSISTANT|>{a}" for q, a in turns.history)
        return f"<|SYSTEM|>{system}{history}<|USER|>{turns.question}<|ASSISTANT|>"
