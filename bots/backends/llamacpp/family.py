"""Chat bots with a family's prompt, settings and stops, decoded by llama.cpp.

For `--type vicuna model.gguf`. Takes from a family what works on text. A family that works on
token ids is refused, because a GGUF file's tokenizer may give other ids than the checkpoint's.
"""

from collections.abc import Iterator, Sequence
from threading import Event
from typing import Any, ClassVar

from pydantic import create_model

from bots.backends.llamacpp.bot import LlamaCppChatBot, LlamaCppSettings
from bots.backends.transformers import TransformersChatBot, TransformersSettings
from bots.chatbot import ChatBot
from bots.errors import ConfigError, LoadError
from bots.events import Message, Step
from bots.hooks import Inputs
from bots.sampling import SamplingSettings
from bots.settings import BotConfig, BotSettings, with_defaults
from bots.streaming.pause import Pause

_ID_HOOKS = ("load_tokenizer", "encode_messages", "get_input", "extra_settings", "generate")
"""Hooks that work on ids or with the checkpoint's own tokenizer. A family that overrides one of
them is refused."""

_OWN_IDS = "its tokenizer puts tokens around a prompt that a GGUF file does not name"
_ENCODER = "it has an encoder, which llama.cpp's server does not run"
# Families whose hooks do not show why a GGUF file is not enough.
_REFUSED = {"chatglm": _OWN_IDS, "chatglm2": _OWN_IDS, "godel": _ENCODER, "fastchat-t5": _ENCODER}

# Class attributes that mean the same for llama.cpp.
_SHARED = (
    "stop_texts", "stop_tokens", "adds_special_tokens", "reasoning_tags", "trims_history",
    "history_turns", "__doc__",
)  # fmt: skip


class FamilyChatBot(LlamaCppChatBot):
    """Base of the classes that `with_llamacpp` makes: any GGUF file, with the prompt of `kind`."""

    kind: ClassVar[type[TransformersChatBot]]
    needs_template = False

    def __init__(self, config: BotConfig | None = None) -> None:
        super().__init__(config)
        self._family = self.kind(config)

    def load_model(self) -> None:
        """Load the file. Raises LoadError if it lacks a token that ends this family's answers."""
        super().load_model()
        for token in self.stop_tokens:
            if len(self.client.tokenize(token, special=True)) != 1:
                self.close()
                raise LoadError(
                    f"The tokenizer of {self.config.pretrained_path!r} has no token {token!r}, so"
                    " it is not one of this family; choose another with --type."
                )

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """The prompt of the family."""
        return self._family.get_prompt(messages, self.family_settings(settings))

    def generate(
        self, inputs: Inputs, settings: SamplingSettings, stop: Event
    ) -> Iterator[Step | Pause]:
        """Decode with the family's settings, such as greedily unless it samples."""
        return super().generate(inputs, self.family_settings(settings), stop)

    def family_settings(self, settings: BotSettings) -> SamplingSettings:
        """The family's own settings, with its defaults for those that llama.cpp lacks."""
        known = self.kind.Settings.model_fields
        shared = {name: value for name, value in settings if name in known}
        settled: SamplingSettings = self._family.settle(self.kind.Settings(**shared))
        return settled


class _RewritingChatBot(FamilyChatBot):
    """Base for families that change the text of an answer.

    A class of its own, because overriding `process_response` makes `ChatBot.rewrites` true.
    """

    def process_response(self, text: str) -> str:
        """The answer as the family changes it."""
        return self._family.process_response(text)


def with_llamacpp(kind: type[ChatBot]) -> type[ChatBot]:
    """The class that answers like the family `kind` from a GGUF file.

    A class that is no family of the transformers backend is returned unchanged. Raises ConfigError
    where the family needs more than text.
    """
    if not issubclass(kind, TransformersChatBot):
        return kind
    name = kind.family or kind.__name__
    changed = [
        hook for hook in _ID_HOOKS if getattr(kind, hook) is not getattr(TransformersChatBot, hook)
    ]
    if name in _REFUSED or changed:
        why = _REFUSED.get(name, "it handles token ids with the tokenizer of its own checkpoints")
        raise ConfigError(
            f"--type {name} does not take a GGUF file: {why}. Give the checkpoint's own folder.",
            param="type",
        )
    rewrites = kind.process_response is not ChatBot.process_response
    shared: dict[str, Any] = {name: getattr(kind, name) for name in _SHARED}
    shared |= {"kind": kind, "Settings": _settings(kind.Settings), "__module__": kind.__module__}
    # llama.cpp ends only at the tokens that the file names. The text of another stop token is made
    # visible in the answer and ends it as a stop text.
    shared["stop_texts"] = (*kind.stop_texts, *kind.stop_tokens)
    return type(kind.__name__, (_RewritingChatBot if rewrites else FamilyChatBot,), shared)


def _settings(own: type[BotSettings]) -> type[LlamaCppSettings]:
    """llama.cpp's settings with a family's defaults, and the settings of the family alone."""
    both = LlamaCppSettings.model_fields
    defaults = {name: field.default for name, field in own.model_fields.items() if name in both}
    alone = {
        name: (field.rebuild_annotation(), field)
        for name, field in own.model_fields.items()
        if name not in both and name not in TransformersSettings.model_fields
    }
    based = with_defaults(LlamaCppSettings, **defaults)
    return create_model(own.__name__, __base__=based, __doc__=own.__doc__, **alone)  # type: ignore[call-overload,no-any-return]
