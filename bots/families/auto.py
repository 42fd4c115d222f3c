"""Any model whose tokenizer has a chat template."""

from collections.abc import Sequence

from jinja2 import TemplateError

from bots.backends.transformers import TransformersChatBot
from bots.errors import InvalidRequest, LoadError
from bots.events import Message
from bots.registry.registry import known_bots
from bots.settings import BotSettings


class AutoBot(TransformersChatBot):
    """A model of any family. The chat template of its tokenizer builds the prompt."""

    reasoning_tags = ("<think>", "</think>")

    def load_tokenizer(self) -> None:
        """Load the tokenizer. Raises LoadError if it has no chat template."""
        super().load_tokenizer()
        if not self.tokenizer.chat_template:
            raise LoadError(
                f"{self.config.pretrained_path!r} has no chat template, so its prompt format is"
                f" not known. Name its family with --type: {', '.join(sorted(known_bots()))}."
            )

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """The text that the template gives, up to the start of the answer."""
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            prompt: str = self.tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True
            )
        except TemplateError as error:
            raise InvalidRequest(
                f"messages: the model's chat template refuses them: {error}", param="messages"
            ) from None
        return prompt
