"""A family's prompt, settings and stops, with llama.cpp to answer: `--type vicuna model.gguf`.

Takes from a family what is text. A family that handles token ids itself is refused, as a GGUF
file's tokenizer does not give it what the checkpoint's own does.
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

_OF_IDS = ("load_tokenizer", "encode_messages", "get_input", "extra_settings", "generate")
"""Hooks that work on ids or with the checkpoint's own tokenizer."""

_OWN_IDS = "its tokenizer puts tokens around a prompt that a GGUF file does not name"
_ENCODER = "it has an encoder, which llama.cpp's server does not run"
_REFUSED = {"chatglm": _OWN_IDS, "chatglm2": _OWN_IDS, "godel": _ENCODER, "fastchat-t5": _ENCODER}

_SHARED = (
    "stop_texts", "stop_tokens", "adds_special_tokens", "reasoning_tags", "trims_history",
    "history_turns", "__doc__",
)  # fmt: skip


class FamilyChatBot(LlamaCppChatBot):
    """Any GGUF file, with the prompt of the family `kind`; made by `with_llamacpp`."""

    kind: ClassVar[type[TransformersChatBot]]
    needs_template = False

    def __init__(self, config: BotConfig | None = None) -> None:
        super().__init__(config)
        self._family = self.kind(config)

    def load_model(self) -> None:
        """The file, which must have the tokens that end this family's answers."""
        super().load_model()
        for token in self.stop_tokens:
            if len(self._ids_of(token, special=True)) != 1:
                self.close()
                raise LoadError(
                    f"The tokenizer of {self.config.pretrained_path!r} has no token {token!r}, so"
                    " it is not one of this family; choose another with --type."
                )

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """The family's."""
        return self._family.get_prompt(messages, self._own(settings))

    def generate(
        self, inputs: Inputs, settings: SamplingSettings, stop: Event
    ) -> Iterator[Step | Pause]:
        """Decode as the family's settings mean it."""
        return super().generate(inputs, self._own(settings), stop)

    def _own(self, settings: BotSettings) -> SamplingSettings:
        """The family's settings, with its defaults for what llama.cpp does not have."""
        known = self.kind.Settings.model_fields
        shared = {name: value for name, value in settings if name in known}
        settled: SamplingSettings = self._family.settle(self.kind.Settings(**shared))
        return settled


class _TidyingChatBot(FamilyChatBot):
    """For families that change the text of an answer; see `ChatBot.rewrites`."""

    def process_response(self, text: str) -> str:
        """The family's."""
        return self._family.process_response(text)


def with_llamacpp(kind: type[ChatBot]) -> type[ChatBot]:
    """The class that answers as `kind` does, from a GGUF file; `kind` if it is none of
    transformers'. Raises ConfigError where the family needs more than text.
    """
    if not issubclass(kind, TransformersChatBot):
        return kind
    name = kind.family or kind.__name__
    changed = [
        hook for hook in _OF_IDS if getattr(kind, hook) is not getattr(TransformersChatBot, hook)
    ]
    if name in _REFUSED or changed:
        why = _REFUSED.get(name, "it handles token ids with the tokenizer of its own checkpoints")
        raise ConfigError(
            f"--type {name} does not take a GGUF file: {why}. Give the checkpoint's own folder.",
            param="type",
        )
    tidies = kind.process_response is not ChatBot.process_response
    shared: dict[str, Any] = {one: getattr(kind, one) for one in _SHARED}
    shared |= {"kind": kind, "Settings": _settings(kind.Settings), "__module__": kind.__module__}
    # A stop token's text is a stop text, as llama.cpp ends only at the tokens that the file names.
    shared["stop_texts"] = (*kind.stop_texts, *kind.stop_tokens)
    return type(kind.__name__, (_TidyingChatBot if tidies else FamilyChatBot,), shared)


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
