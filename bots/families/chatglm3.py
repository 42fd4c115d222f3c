"""ChatGLM3-6B (https://github.com/THUDM/ChatGLM3): roles that are tokens, never text."""

from collections.abc import Sequence

from bots.backends.transformers import TokenInputs, TransformersChatBot, TransformersSettings
from bots.events import Message
from bots.settings import BotSettings, with_defaults

SYSTEM = (
    "You are ChatGLM3, a large language model trained by Zhipu.AI. Follow the user's instructions"
    " carefully. Respond using markdown."
)


class ChatGLM3Bot(TransformersChatBot):
    """System messages replace the introduction; an empty one leaves it out."""

    family = "chatglm3"
    finite_logits = True
    Settings = with_defaults(TransformersSettings, temperature=0.8, top_p=0.8, max_new_tokens=8192)
    stop_tokens = ("<|user|>", "<|observation|>")
    adds_special_tokens = True

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """For people to read: as text, the marks of roles would not be those of the model."""
        said = "".join(f"<|{role}|>\n {text}" for role, text in self._said(messages))
        return f"{said}<|assistant|>"

    def encode_messages(self, messages: Sequence[Message], settings: BotSettings) -> TokenInputs:
        """The ids of roles and texts, each by itself."""
        prompt = self.get_prompt(messages, settings)
        return self._inputs(prompt, self.tokenizer.encode_chat(self._said(messages)))

    def process_response(self, text: str) -> str:
        """The year for its placeholder."""
        return text.strip().replace("[[训练时间]]", "2023年")

    @staticmethod
    def _said(messages: Sequence[Message]) -> list[tuple[str, str]]:
        said = [(message.role, message.content) for message in messages]
        if not any(role == "system" for role, _ in said):
            said.insert(0, ("system", SYSTEM))
        return [(role, text) for role, text in said if role != "system" or text]
