"""ChatBot: the contract between the server and a model.

A model is a subclass. Its hooks run in the order of a request:

    get_prompt(messages, settings) → get_input(prompt) → generate(inputs, settings, stop)
                         → get_response(step, inputs) → process_response(text)

The server calls `load`, `prepare`, `prepare_text`, `run`, `info`; it never calls a hook. All hooks
are synchronous; the server runs them in threads. This module knows neither torch nor HTTP.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, final

from bots.errors import ContextLengthExceeded, InvalidRequest, Unsupported
from bots.events import Done, Event, FinishReason, Message, PromptScored, Start, Step, Usage
from bots.settings import BotConfig, BotSettings
from bots.streaming.assembly import AnswerEvents
from bots.streaming.pause import Pause, waited
from bots.streaming.text_filter import AnswerText

Progress = Callable[[str, float | None], None]
"""Called with what is being done and the fraction done, 0 to 1, or None when unknown."""


@dataclass(slots=True)
class Inputs:
    """What one request gives to `generate`: the prompt, and its ids where the bot has a tokenizer.

    A bot that keeps state of its own for a request subclasses this; it lives as long as the
    request, so nothing of one request can reach another.
    """

    prompt: str
    token_ids: list[int] | None = None


@dataclass(frozen=True, slots=True)
class BotInfo:
    """What a loaded bot can say about itself; None is "not known" or "does not apply".

    `context_length` counts tokens, prompt and answer together. With `separate_answer`, as in
    encoder-decoder models, the prompt has that many, and the answer has that many again.
    `engine_reason` is why requests are decoded one after another; None where they are batched.
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


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that was checked and can run."""

    inputs: Inputs
    settings: BotSettings
    dropped_turns: int = 0

    @property
    def prompt_tokens(self) -> int | None:
        """Length of the prompt in tokens, None where the bot has no tokenizer."""
        ids = self.inputs.token_ids
        return None if ids is None else len(ids)


def _quiet(stage: str, fraction: float | None) -> None:
    """The progress of nobody."""


class ChatBot(ABC):
    """A model that answers conversations. Subclass it, write the hooks, name it in MODEL_DICT."""

    Settings: ClassVar[type[BotSettings]] = BotSettings
    """What a request may set; each field is one control of the page."""

    max_running: int = 1
    """How many requests this bot can decode at the same time."""

    reasoning_tags: ClassVar[tuple[str, str] | None] = None
    """Tags around the model's reasoning, which is sent apart from the answer."""

    trims_history: ClassVar[bool] = False
    """Whether the oldest turns are dropped when prompt and answer would not fit the context."""

    history_turns: ClassVar[int | None] = None
    """How many exchanges before the question are kept, the newest; None is all of them."""

    stop_texts: ClassVar[tuple[str, ...]] = ()
    """Texts that end an answer whatever the request's `stop` says; the model's own turn marks."""

    token_prompts: ClassVar[bool] = False
    """Whether `generate` takes token ids that did not come from `get_input`."""

    def __init__(self, config: BotConfig | None = None) -> None:
        self.config = config or BotConfig()
        self.progress: Progress = _quiet
        """For `load_tokenizer` and `load_model` to say how far they are."""

    # -- hooks -----------------------------------------------------------------------------------

    def load_tokenizer(self) -> None:  # noqa: B027 (optional on purpose)
        """Read the tokenizer; once, before the model. Raises LoadError."""

    @abstractmethod
    def load_model(self) -> None:
        """Read the weights; once. Call `self.progress`. Raises LoadError."""

    @abstractmethod
    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """The exact text for the model. Pure: the same arguments give the same text."""

    def get_input(self, prompt: str) -> Inputs:
        """What `generate` needs for this prompt, e.g. token ids."""
        return Inputs(prompt)

    def encode_messages(self, messages: Sequence[Message], settings: BotSettings) -> Inputs:
        """Messages to inputs. Override it only when a text alone cannot carry the prompt."""
        return self.get_input(self.get_prompt(messages, settings))

    def settle(self, settings: BotSettings) -> BotSettings:
        """The settings to decode with, where one that was asked for changes what others mean."""
        return settings

    def check(self, settings: BotSettings) -> None:  # noqa: B027 (optional on purpose)
        """Refuse settings that do not go together, or not with this model.

        Raises InvalidRequest that names the setting at fault.
        """

    def extra_settings(self) -> dict[str, object]:
        """Settings that the model fixes (stop ids, say), whatever the request asks for."""
        return {}

    @abstractmethod
    def generate(
        self, inputs: Inputs, settings: BotSettings, stop: threading.Event
    ) -> Iterator[Step | Pause]:
        """Decode. Yields new output only, or a `whole` answer in place of what it yielded before;
        returns soon after `stop` is set.

        It may block. One that only waits for something may yield a `Pause` wherever it would; from
        then on it runs in the thread that resumes it and must not block any more.

        Raises BotError subclasses; whatever else it raises is reported as an internal error.
        """

    def get_response(self, step: Step, inputs: Inputs) -> str:
        """The new text of a step, all of the text if the step is `whole`.

        A bot with tokens decodes them, never to half a character.
        """
        return step.text

    def process_response(self, text: str) -> str:
        """Tidy the whole answer so far. Pure; may change text that was already sent."""
        return text

    def info(self) -> BotInfo:
        """Facts about the model, once it is loaded."""
        return BotInfo()

    def memory(self) -> dict[str, int]:
        """Bytes held now, by kind: `weights`, `cache` (keys and values), `peak` (the most that was
        ever held of all). A kind that is not known is left out. Any thread may ask at any time
        after loading."""
        return {}

    def close(self) -> None:  # noqa: B027 (optional on purpose)
        """Give back what the bot holds: threads, connections, memory."""

    # -- what the server calls -------------------------------------------------------------------

    @final
    def load(self, progress: Progress | None = None) -> None:
        """Load tokenizer and model. Raises LoadError, or TypeError for wrong `extra_settings`."""
        self.progress = progress or _quiet
        self.load_tokenizer()
        self.load_model()
        if unknown := set(self.extra_settings()) - set(self.Settings.model_fields):
            raise TypeError(
                f"{type(self).__name__}.extra_settings() names {sorted(unknown)},"
                " which its Settings do not declare"
            )

    @final
    @property
    def rewrites(self) -> bool:
        """Whether `process_response` may change text that was already sent."""
        return type(self).process_response is not ChatBot.process_response

    @final
    def prepare(self, messages: Sequence[Message], settings: BotSettings) -> Prepared:
        """Build and check the prompt of a conversation.

        Raises InvalidRequest, of which ContextLengthExceeded when the prompt is too long.
        """
        if not any(message.role == "user" for message in messages):
            raise InvalidRequest("There is no user message to answer.", param="messages")
        kept, fixed = list(messages), self._fixed(settings)
        while self._too_many(kept) and _drop_oldest(kept):
            pass
        while True:
            inputs = self.encode_messages(kept, fixed)
            prepared = Prepared(inputs, fixed, len(messages) - len(kept))
            if not self.trims_history or self._fits(prepared) or not _drop_oldest(kept):
                return self._checked(prepared)

    @final
    def prepare_text(self, prompt: str | Sequence[int], settings: BotSettings) -> Prepared:
        """Check a raw prompt: a text, or token ids that are used exactly as given.

        Raises Unsupported where the bot takes no raw prompts, InvalidRequest as `prepare`.
        """
        if not self.token_prompts:
            raise Unsupported("This model answers conversations only.", param="prompt")
        if not prompt:
            raise InvalidRequest("prompt: it is empty.", param="prompt")
        inputs = self.get_input(prompt) if isinstance(prompt, str) else self.input_of_ids(prompt)
        try:
            return self._checked(Prepared(inputs, self._fixed(settings)))
        except ContextLengthExceeded as error:
            error.param = "prompt"
            raise

    def input_of_ids(self, token_ids: Sequence[int]) -> Inputs:
        """Inputs of a prompt given as ids; for bots with `token_prompts`. Raises InvalidRequest."""
        raise Unsupported("This model takes no token ids.", param="prompt")

    @final
    def chat(
        self,
        messages: Sequence[Message],
        settings: BotSettings | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[Event]:
        """Answer a conversation: `Start`, then `Delta` and `Replace`, then `Done`."""
        return self.run(self.prepare(messages, settings or self.Settings()), stop)

    @final
    def run(self, prepared: Prepared, stop: threading.Event | None = None) -> Iterator[Event]:
        """Answer a prepared request. Closing the iterator stops the decoding and waits for it."""
        return waited(self.run_in_turns(prepared, stop or threading.Event()))

    @final
    def run_in_turns(
        self, prepared: Prepared, stop: threading.Event
    ) -> Generator[Event | Pause, None, None]:
        """The same, but a pause of the bot is yielded: who reads this may do something else until
        it is over, and go on in another thread."""
        inputs, settings = prepared.inputs, prepared.settings
        answer = AnswerEvents(self._answer_text(prepared))
        text = answer.text
        usage: Usage | None = None
        cached = 0
        reason: FinishReason | None = None
        try:
            yield Start(prepared.prompt_tokens, prepared.dropped_turns)
            with closing(self._steps(inputs, settings, stop)) as steps:
                for step in steps:
                    if isinstance(step, Pause):
                        yield step
                        continue
                    usage, reason = step.usage or usage, step.finish_reason or reason
                    cached += step.cached_tokens
                    if step.prompt_logprobs is not None:
                        yield PromptScored(step.prompt_logprobs)
                    yield from answer.feed(step, self.get_response(step, inputs))
                    if text.stopped:
                        break
            yield from text.finish()
            if text.stopped:
                reason = "stop"
            elif reason is None:
                full = 0 < settings.max_new_tokens <= answer.tokens
                reason = "cancelled" if stop.is_set() else "length" if full else "stop"
        finally:
            stop.set()
        yield Done(reason, usage or Usage(prepared.prompt_tokens, answer.tokens, cached))

    # -- inside ----------------------------------------------------------------------------------

    def _steps(
        self, inputs: Inputs, settings: BotSettings, stop: threading.Event
    ) -> Generator[Step | Pause, None, None]:
        """`generate` as a real generator, so that closing it runs the hook's own clean-up."""
        yield from self.generate(inputs, settings, stop)

    def _answer_text(self, prepared: Prepared) -> AnswerText:
        tags = self.reasoning_tags
        return AnswerText(
            self.process_response if self.rewrites else None,
            (*prepared.settings.stop, *self.stop_texts),
            tags,
            inside_reasoning=bool(tags and prepared.inputs.prompt.rstrip().endswith(tags[0])),
        )

    def _fixed(self, settings: BotSettings) -> BotSettings:
        """The final settings: defaults, then the request's, then the model's own."""
        fixed = self.settle(settings).model_copy(update=self.extra_settings())
        self.check(fixed)
        return fixed

    def _too_many(self, messages: Sequence[Message]) -> bool:
        asked = sum(message.role == "user" for message in messages)
        return self.history_turns is not None and asked > self.history_turns + 1

    def _fits(self, prepared: Prepared) -> bool:
        info, prompt = self.info(), prepared.prompt_tokens
        if info.context_length is None or prompt is None:
            return True
        answer = 0 if info.separate_answer else prepared.settings.max_new_tokens
        return prompt + answer <= info.context_length

    def _checked(self, prepared: Prepared) -> Prepared:
        """Refuse a prompt that fills the context; shorten the answer to what is left of it."""
        info, prompt = self.info(), prepared.prompt_tokens
        if info.context_length is None or prompt is None:
            return prepared
        room = info.context_length - (0 if info.separate_answer else prompt)
        wanted = prepared.settings.max_new_tokens
        if prompt > info.context_length or room < min(wanted, 1):
            raise ContextLengthExceeded(prompt, info.context_length, alone=info.separate_answer)
        if wanted <= room:
            return prepared
        shorter = prepared.settings.model_copy(update={"max_new_tokens": room})
        return replace(prepared, settings=shorter)


def _drop_oldest(messages: list[Message]) -> bool:
    """Remove the oldest exchange, never a system text nor the last question.

    Returns whether there was one to remove.
    """
    users = [i for i, message in enumerate(messages) if message.role == "user"]
    if len(users) < 2:
        return False
    oldest = messages[: users[1]]
    messages[: users[1]] = [message for message in oldest if message.role == "system"]
    return True
