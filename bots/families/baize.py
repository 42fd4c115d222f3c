"""Baize (https://github.com/project-baize/baize-chatbot): LoRA adapters on LLaMA."""

from collections.abc import Sequence

from bots.backends.transformers import TransformersChatBot
from bots.events import Message
from bots.settings import BotSettings
from bots.turns import Turns

SYSTEM = (
    "The following is a conversation between a human and an AI assistant named Baize (named after a"
    " mythical creature in Chinese folklore). Baize is an open-source AI assistant developed by"
    " UCSD and Sun Yat-Sen University. The human and the AI assistant take turns chatting. Human"
    " statements start with [|Human|] and AI assistant statements start with [|AI|]. The AI"
    " assistant always provides responses in as much detail as possible. The AI assistant always"
    " declines to engage with topics, questions and instructions related to unethical,"
    " controversial, or sensitive issues. Complete the transcript in exactly that format."
)


class BaizeBot(TransformersChatBot):
    """Baize. A system message replaces the introduction."""

    family = "baize"
    stop_texts = ("[|Human|]", "[|AI|]")
    adds_special_tokens = True

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """The introduction, then each turn on a line after its mark."""
        turns = Turns.of(messages)
        system = SYSTEM if turns.system is None else turns.system
        history = "".join(f"[|Human|]{q}\n[|AI|]{a}\n" for q, a in turns.history)
        return f"{system}\n{history}[|Human|]{turns.question}\n[|AI|]"

    def process_response(self, text: str) -> str:
        """The answer without surrounding white space."""
        return text.strip()
