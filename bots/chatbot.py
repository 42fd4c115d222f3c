"""ChatBot: the contract between the server and a model.

The author of a bot subclasses `ChatBot` and writes the hooks in `bots/hooks.py`. A caller uses the
methods of this module and the hooks `info`, `memory` and `close`; all other hooks are called here:

    load() → prepare(messages, settings) → run(prepared) → Start, Delta …, Done

The server calls `load`, `prepare` (a conversation) or `prepare_text` (a raw prompt), `run_pausing`
(`run` without a blocked thread), `info`, `memory` and `close`.

This module imports neither torch nor an HTTP library.
"""

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Generic, final

from bots.errors import ContextLengthExceeded, InvalidRequest, Unsupported
from bots.events import Done, Event, FinishReason, Message, PromptScored, Start, Step, Usage
from bots.hooks import BotInfo, Hooks, Inputs
from bots.progress import Progress, no_progress
from bots.settings import S
from bots.streaming.assembly import EventAssembler
from bots.streaming.pause import Pause, wait_at_pauses
from bots.streaming.text_filter import TextFilter

__all__ = ["BotInfo", "ChatBot", "Inputs", "Prepared"]  # the contract's classes, wherever they lie


@dataclass(frozen=True, slots=True)
class Prepared(Generic[S]):
    """A checked request that is ready to run.

    `dropped_turns` counts the messages left out of the prompt: those beyond `history_turns`, and
    the oldest where prompt and answer would not fit the context.
    """

    inputs: Inputs
    settings: S
    dropped_turns: int = 0

    @property
    def prompt_tokens(self) -> int | None:
        """Length of the prompt in tokens; None where the bot has no tokenizer."""
        ids = self.inputs.token_ids
        return None if ids is None else len(ids)


class ChatBot(Hooks[S]):
    """A model that answers conversations. Subclass it and write the hooks; see `bots/hooks.py`.

    Methods marked `final` are for callers.
    """

    @final
    def load(self, progress: Progress | None = None) -> None:
        """Load tokenizer and model.

        Raises LoadError, and TypeError if `extra_settings` has a name that `Settings` lacks.
        """
        self.progress = progress or no_progress
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
        """Whether the bot has a `process_response`, which may change text already sent."""
        return type(self).process_response is not Hooks.process_response

    @final
    def chat(
        self,
        messages: Sequence[Message],
        settings: S | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[Event]:
        """Answer a conversation: `prepare`, then `run`."""
        return self.run(self.prepare(messages, settings or self.Settings()), stop)

    # -- prompts ---------------------------------------------------------------------------------

    @final
    def prepare(self, messages: Sequence[Message], settings: S) -> Prepared[S]:
        """Build and check the prompt of a conversation.

        Raises InvalidRequest; its subclass ContextLengthExceeded if the prompt is too long.
        """
        if not any(message.role == "user" for message in messages):
            raise InvalidRequest("There is no user message to answer.", param="messages")
        kept, final_settings = list(messages), self._final(settings)
        while self._exceeds_history(kept) and _drop_oldest(kept):
            pass
        # Only the encoded prompt has a length, so it is encoded again after each dropped exchange.
        while True:
            inputs = self.encode_messages(kept, final_settings)
            prepared = Prepared(inputs, final_settings, len(messages) - len(kept))
            if not self.trims_history or self._fits(prepared) or not _drop_oldest(kept):
                return self._within_context(prepared)

    @final
    def prepare_text(self, prompt: str | Sequence[int], settings: S) -> Prepared[S]:
        """Check a raw prompt: a text, or token ids that are used exactly as given.

        Raises Unsupported where the bot takes no raw prompts, and InvalidRequest as `prepare` does.
        """
        if not self.token_prompts:
            raise Unsupported("This model answers conversations only.", param="prompt")
        if not prompt:
            raise InvalidRequest("prompt: it is empty.", param="prompt")
        inputs = self.get_input(prompt) if isinstance(prompt, str) else self.input_of_ids(prompt)
        try:
            return self._within_context(Prepared(inputs, self._final(settings)))
        except ContextLengthExceeded as error:
            error.param = "prompt"
            raise

    def _final(self, settings: S) -> S:
        """The settings to decode with: defaults, over them the request's, over them the fixed."""
        fixed = self.settle(settings).model_copy(update=self.extra_settings())
        self.check(fixed)
        return fixed

    def _exceeds_history(self, messages: Sequence[Message]) -> bool:
        questions = sum(message.role == "user" for message in messages)
        return self.history_turns is not None and questions > self.history_turns + 1

    def _fits(self, prepared: Prepared[S]) -> bool:
        """Whether the context holds the prompt and an answer of the full requested length."""
        info, prompt = self.info(), prepared.prompt_tokens
        if info.context_length is None or prompt is None:
            return True
        answer = 0 if info.separate_answer else prepared.settings.max_new_tokens
        return prompt + answer <= info.context_length

    def _within_context(self, prepared: Prepared[S]) -> Prepared[S]:
        """The request with `max_new_tokens` lowered to the rest of the context.

        Raises ContextLengthExceeded if that leaves no token for the answer.
        """
        info, prompt = self.info(), prepared.prompt_tokens
        if info.context_length is None or prompt is None:
            return prepared
        left = info.context_length - (0 if info.separate_answer else prompt)
        wanted = prepared.settings.max_new_tokens
        # A request for 0 new tokens scores its prompt only, which may fill the context.
        if prompt > info.context_length or left < min(wanted, 1):
            raise ContextLengthExceeded(prompt, info.context_length, alone=info.separate_answer)
        if wanted <= left:
            return prepared
        shorter = prepared.settings.model_copy(update={"max_new_tokens": left})
        return replace(prepared, settings=shorter)

    # -- answers ---------------------------------------------------------------------------------

    @final
    def run(self, prepared: Prepared[S], stop: threading.Event | None = None) -> Iterator[Event]:
        """Answer a prepared request: `Start`, then `Delta` and `Replace`, then `Done`.

        Closing the iterator stops the decoding and waits for its end.
        """
        return wait_at_pauses(self.run_pausing(prepared, stop or threading.Event()))

    @final
    def run_pausing(
        self, prepared: Prepared[S], stop: threading.Event
    ) -> Generator[Event | Pause, None, None]:
        """Answer a prepared request as `run` does, but yield the bot's pauses instead of waiting.

        The caller arms each pause and continues in the thread that resumes it.
        """
        answer = EventAssembler(self._text_filter(prepared))
        usage: Usage | None = None
        cached = 0
        reason: FinishReason | None = None
        try:
            yield Start(prepared.prompt_tokens, prepared.dropped_turns)
            with closing(self._steps(prepared, stop)) as steps:
                for step in steps:
                    if isinstance(step, Pause):
                        yield step
                        continue
                    usage, reason = step.usage or usage, step.finish_reason or reason
                    cached += step.cached_tokens
                    if step.prompt_logprobs is not None:
                        yield PromptScored(step.prompt_logprobs)
                    yield from answer.feed(step, self.get_response(step, prepared.inputs))
                    if answer.stopped:
                        break
            yield from answer.finish()
            # A stop text ends the answer before the reason of any step counts.
            if answer.stopped:
                reason = "stop"
            elif reason is None:
                full = 0 < prepared.settings.max_new_tokens <= answer.tokens
                reason = "cancelled" if stop.is_set() else "length" if full else "stop"
        finally:
            stop.set()  # also ends work that the bot does in other threads
        yield Done(reason, usage or Usage(prepared.prompt_tokens, answer.tokens, cached))

    def _steps(
        self, prepared: Prepared[S], stop: threading.Event
    ) -> Generator[Step | Pause, None, None]:
        # `generate` may return any iterator. A generator around it can be closed in every case,
        # and closing it runs the clean-up of a hook that is a generator itself.
        yield from self.generate(prepared.inputs, prepared.settings, stop)

    def _text_filter(self, prepared: Prepared[S]) -> TextFilter:
        tags = self.reasoning_tags
        return TextFilter(
            self.process_response if self.rewrites else None,
            (*prepared.settings.stop, *self.stop_texts),
            tags,
            inside_reasoning=bool(tags and prepared.inputs.prompt.rstrip().endswith(tags[0])),
        )


def _drop_oldest(messages: list[Message]) -> bool:
    """Remove the oldest exchange, but no system text and not the last question.

    Returns whether there was one to remove.
    """
    users = [i for i, message in enumerate(messages) if message.role == "user"]
    if len(users) < 2:
        return False
    oldest = messages[: users[1]]
    messages[: users[1]] = [message for message in oldest if message.role == "system"]
    return True
