"""Text models of Hugging Face transformers; families subclass `TransformersChatBot`."""

from bots.backends.transformers.bot import TransformersChatBot
from bots.backends.transformers.settings import TransformersSettings
from bots.backends.transformers.token_reader import TokenInputs

__all__ = ["TokenInputs", "TransformersChatBot", "TransformersSettings"]
