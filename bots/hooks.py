"""The hooks of a bot: everything that the author of a bot writes or overrides.

A bot is a subclass of `ChatBot` (`bots/chatbot.py`), which adds the methods for callers. Three
hooks are required: `load_model`, `get_prompt` and `generate`. `ChatBot` calls all hooks, except
that callers may also call `info`, `memory` and `close`. One request passes the hooks in this order:

    get_prompt(messages, settings) → get_input(prompt) → generate(inputs, settings, stop)
                         → get_response(step, inputs) → process_response(text)

All hooks are synchronous and run in threads, never on the server's event loop. This module imports
neither torch nor an HTTP library.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal

from bots.errors import Unsupported
from bots.events import Message, Step
from bots.progress import Progress, no_progress
from bots.settings import BotConfig, BotSettings, S
from bots.streaming.pause import Pause


@dataclass(slots=True)
class Inputs:
    """What one request passes to `generate`: the prompt, and its token ids if there is a tokenizer.

    A bot with state per request subclasses this and keeps the state here, not on the bot. The
    object lives as long as its request, so no state can leak into another request.
    """

    prompt: str
    token_ids: list[int] | None = None


@dataclass(frozen=True, slots=True)
class BotInfo:
    """Facts about a loaded bot; None is "unknown" or "does not apply".

    `context_length` counts the tokens of prompt and answer together. With `separate_answer`, as in
    encoder-decoder models, prompt and answer may each have that many.
    `engine_reason` is one sentence on why decoding is sequential; None with continuous batching.
    """

    native_class: str | None = None
    device_map: dict[str, str] | None = None
    dtype: str | None = None
    quantization: str | None = None
    context_length: int | None = None
    separate_answer: bool = False
    revision: str | None = None
    base_model: str | None = None
    adapter: Literal["merged", "separate"] | None = None
    engine: Literal["continuous_batching", "sequential"] | None = None
    engine_reason: str | None = None


class Hooks(ABC, Generic[S]):
    """The attributes and methods by which a bot describes its model.

    `S` is the class of its settings, for type checkers: `class MyBot(ChatBot[MySettings])`. Without
    it, settings are not checked.
    """

    Settings: type[S] = BotSettings  # type: ignore[assignment]
    """The settings of a request; each field is one control of the page."""

    max_running: int = 1
    """Number of requests that this bot can decode at the same time."""

    reasoning_tags: ClassVar[tuple[str, str] | None] = None
    """Opening and closing tag of the model's reasoning, which is streamed apart from the answer."""

    trims_history: ClassVar[bool] = False
    """Whether the oldest turns are dropped when prompt and answer exceed the context."""

    history_turns: ClassVar[int | None] = None
    """Number of newest exchanges kept before the question; None keeps all."""

    stop_texts: ClassVar[tuple[str, ...]] = ()
    """Texts that always end an answer, such as the model's marks of a turn, beside the request's
    `stop`."""

    token_prompts: ClassVar[bool] = False
    """Whether the bot accepts raw prompts, as text or as token ids; see `input_of_ids`."""

    gguf_adapter: ClassVar[str | None] = None
    """`"module:function"` that turns this class into one for GGUF files, if it needs another."""

    def __init__(self, config: BotConfig | None = None) -> None:
        self.config = config or BotConfig()
        self.progress: Progress = no_progress
        """Callback for `load_tokenizer` and `load_model` to report their progress."""

    # -- required --------------------------------------------------------------------------------

    @abstractmethod
    def load_model(self) -> None:
        """Load the weights. Called once; reports to `self.progress`. Raises LoadError."""

    @abstractmethod
    def get_prompt(self, messages: Sequence[Message], settings: S) -> str:
        """The exact prompt text of a conversation.

        Pure: the same arguments give the same text. The bot need not be loaded, unless its prompt
        format comes with its files.
        """

    @abstractmethod
    def generate(
        self, inputs: Inputs, settings: S, stop: threading.Event
    ) -> Iterator[Step | Pause]:
        """Decode one answer; returns soon after `stop` is set.

        A step contains new output only, or with `whole` the complete answer so far, which replaces
        all earlier steps.

        It may block. Where it would only wait for an event elsewhere, it may yield a `Pause`; from
        then on it runs in the thread that resumes it and must not block.

        Raises BotError subclasses; every other exception is reported as an internal error.
        """

    # -- loading ---------------------------------------------------------------------------------

    def load_tokenizer(self) -> None:
        """Load the tokenizer. Called once, before `load_model`. Raises LoadError."""

    # -- prompts and settings --------------------------------------------------------------------

    def get_input(self, prompt: str) -> Inputs:
        """The inputs of `generate` for this prompt, such as its token ids."""
        return Inputs(prompt)

    def encode_messages(self, messages: Sequence[Message], settings: S) -> Inputs:
        """The inputs of `generate` for a conversation.

        Override it only for models whose prompt has token ids that no text encodes to.
        """
        return self.get_input(self.get_prompt(messages, settings))

    def input_of_ids(self, token_ids: Sequence[int]) -> Inputs:
        """The inputs of a raw prompt of token ids; for bots with `token_prompts`.

        Raises InvalidRequest for ids that the model does not have.
        """
        raise Unsupported("This model takes no token ids.", param="prompt")

    def settle(self, settings: S) -> S:
        """The settings to decode with, for bots where one setting changes the meaning of others."""
        return settings

    def extra_settings(self) -> dict[str, object]:
        """Settings with a fixed value, such as stop token ids, which requests cannot change."""
        return {}

    def check(self, settings: S) -> None:
        """Refuse settings that exclude each other or that this model does not support.

        Raises InvalidRequest that names the setting at fault.
        """

    # -- answers ---------------------------------------------------------------------------------

    def get_response(self, step: Step, inputs: Inputs) -> str:
        """The new text of a step, or the complete text if the step is `whole`.

        A bot whose steps have only token ids decodes them here, and holds back the bytes of an
        incomplete character.
        """
        return step.text

    def process_response(self, text: str) -> str:
        """The tidied form of the complete answer so far. Pure; may change text already sent."""
        return text

    # -- facts and end ---------------------------------------------------------------------------

    def info(self) -> BotInfo:
        """Facts about the model; called after loading."""
        return BotInfo()

    def memory(self) -> dict[str, int]:
        """Bytes in use by kind: `weights`, `cache` (the KV cache), `peak` (maximum of the total).

        Unknown kinds are left out. Any thread may call it at any time after loading.
        """
        return {}

    def close(self) -> None:
        """Release threads, connections and memory."""
