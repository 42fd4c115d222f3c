"""ChatGLM3-6B (https://github.com/THUDM/ChatGLM3): roles as special tokens, never as text."""

from collections.abc import Sequence

from bots.backends.transformers import TokenInputs, TransformersChatBot, TransformersSettings
from bots.events import Message
from bots.settings import BotSettings, with_defaults

SYSTEM = (
    "You are ChatGLM3, a large language model trained by Zhipu.AI. Follow the user's instructions"
    " carefully. Respond using markdown."
)


class ChatGLM3Bot(TransformersChatBot):
    """ChatGLM3-6B. System messages replace the introduction; an empty one removes it."""

    family = "chatglm3"
    finite_logits = True
    Settings = with_defaults(TransformersSettings, temperature=0.8, top_p=0.8, max_new_tokens=8192)
    stop_tokens = ("<|user|>", "<|observation|>")
    adds_special_tokens = True

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """The prompt for people to read.

        Encoding this text would not give the special tokens; see `encode_messages`.
        """
        turns = self._roles_and_texts(messages)
        chat = "".join(f"<|{role}|>\n {text}" for role, text in turns)
        return f"{chat}<|assistant|>"

    def encode_messages(self, messages: Sequence[Message], settings: BotSettings) -> TokenInputs:
        """Encode each role and each text on its own, so that users cannot write a role."""
        prompt = self.get_prompt(messages, settings)
        return self._inputs(prompt, self.tokenizer.encode_chat(self._roles_and_texts(messages)))

    def process_response(self, text: str) -> str:
        """Fill in the placeholder of the training date."""
        return text.strip().replace("[[训练时间]]", "2023年")

    @staticmethod
    def _roles_and_texts(messages: Sequence[Message]) -> list[tuple[str, str]]:
        turns = [(message.role, message.content) for message in messages]
        if not any(role == "system" for role, _ in turns):
            turns.insert(0, ("system", SYSTEM))
        return [(role, text) for role, text in turns if role != "system" or text]
