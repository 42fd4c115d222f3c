"""A worker: its bot, its state from loading to draining, and the limits on every request.

Independent of HTTP bodies except those of `/info`; the routes translate bodies.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from bots.chatbot import ChatBot, Prepared
from bots.errors import BotError, ConfigError, InvalidRequest
from bots.events import Message
from bots.hooks import BotInfo
from bots.registry.registry import family_of
from bots.settings import BotSettings
from server.http.errors import ApiError
from server.http.version import package_version
from server.worker.config import WorkerConfig
from server.worker.conversations import Conversations
from server.worker.metrics import Metrics
from server.worker.runner import Runner
from server.worker.schema import (
    Capabilities,
    InfoResponse,
    LimitsBody,
    MemoryBody,
    ProgressBody,
    QueueBody,
    State,
)

log = structlog.get_logger("chatzoo.worker")

OnProgress = Callable[[ProgressBody | None], None]
"""Called with the progress of loading, and with None once when it has ended or failed."""


class Worker:
    """A bot with its runner, metrics and conversations, for the life of the process."""

    def __init__(
        self,
        bot: ChatBot | Callable[[], ChatBot],
        config: WorkerConfig,
        on_progress: OnProgress | None = None,
    ) -> None:
        self._make_bot = bot
        self._bot = bot if isinstance(bot, ChatBot) else None
        self.config = config
        self.name = config.display_name
        self.metrics = Metrics()
        self.metrics.watch_memory(self.memory)
        self.conversations = Conversations(config.max_conversations, config.conversation_ttl)
        self.progress: ProgressBody | None = ProgressBody(stage="starting", fraction=None)
        self.error: str | None = None
        self.misconfigured: ConfigError | None = None
        """Set if loading shows that the options cannot work. The process then exits, where after
        any other failure to load it stays, so that the page can show why."""
        self._on_progress = on_progress
        self._loaded = False
        self._bot_info = BotInfo()
        self.runner: Runner

    @property
    def bot(self) -> ChatBot[BotSettings]:
        """The bot. Raises ApiError while its class is still being imported."""
        if self._bot is None:
            self.check_ready()
            raise AssertionError("a ready worker has a bot")
        return self._bot

    @property
    def state(self) -> State:
        """The state that `/info` and `/readyz` report."""
        if self.runner.draining:
            return "draining"
        return "failed" if self.error else "ready" if self._loaded else "loading"

    def start(self) -> None:
        """Start to load the model in a thread. Called on the event loop."""
        self.runner = Runner(
            max_queue=self.config.max_queue,
            timeout=self.config.request_timeout,
            metrics=self.metrics,
        )
        # A daemon thread: a process that is stopped while it loads does not wait for the loading.
        threading.Thread(target=self._load, name="load", daemon=True).start()

    def _load(self) -> None:
        try:
            # Here and not earlier: it imports a library, which takes seconds, and /healthz is to
            # answer meanwhile.
            make = self._make_bot
            bot = self._bot = make if isinstance(make, ChatBot) else make()
            bot.load(self._note_progress)
            self._bot_info = bot.info()
            wanted = self.config.max_running or bot.max_running
            if wanted > bot.max_running:
                log.warning("max-running is above the limit of this model", limit=bot.max_running)
            self.runner.open(bot, min(wanted, bot.max_running))
            self._loaded = True
            log.info("ready", name=self.name)
        except ConfigError as error:
            self.error = error.message
            self.misconfigured = error
        except BotError as error:
            self.error = error.message
            log.error("cannot load the model", name=self.name, reason=error.message)
        except BaseException as error:  # otherwise the state would stay "loading" for ever
            self.error = f"{type(error).__name__}: {error}"
            log.error("cannot load the model", name=self.name, exc_info=error)
        finally:
            self.progress = None
            if self._on_progress:
                self._on_progress(None)

    def _note_progress(self, stage: str, fraction: float | None) -> None:
        self.progress = ProgressBody(stage=stage, fraction=fraction)
        if self._on_progress:
            self._on_progress(self.progress)

    async def close(self) -> None:
        """Stop all requests and release the bot's memory and processes."""
        self.runner.close()
        if self._bot is not None:
            await asyncio.to_thread(self._bot.close)

    # -- requests --------------------------------------------------------------------------------

    def check_ready(self) -> None:
        """Raise ApiError 503 with the reason if requests cannot be answered."""
        if self.state == "ready":
            return
        code, message, wait = {
            "loading": ("model_loading", "The model is still loading.", "2"),
            "draining": ("draining", "This worker is stopping.", "10"),
            "failed": ("model_failed", f"The model could not be loaded: {self.error}", "60"),
        }[self.state]
        raise ApiError(503, code, message, headers={"Retry-After": wait})

    def settings(self, params: Mapping[str, Any]) -> BotSettings:
        """The settings of one request within this worker's limits. Raises InvalidRequest.

        A value over the limit is an error if the request sets it, and is lowered if it is only the
        bot's default.
        """
        limit = self.config.max_new_tokens
        settings = self.bot.Settings.parse(params)
        if settings.max_new_tokens <= limit:
            return settings
        if "max_new_tokens" in params:
            raise InvalidRequest(
                f"max_new_tokens: this worker allows at most {limit}.", param="max_new_tokens"
            )
        return settings.model_copy(update={"max_new_tokens": limit})

    async def prepare(self, messages: Sequence[Message], params: Mapping[str, Any]) -> Prepared:
        """Check a conversation and build its prompt. Raises ApiError and InvalidRequest.

        Takes no place in the queue. Runs in a thread: templates and tokenizers may take long.
        """
        self.check_ready()
        if len(messages) > self.config.max_messages:
            raise InvalidRequest(
                f"messages: this worker allows at most {self.config.max_messages}.",
                param="messages",
            )
        return await asyncio.to_thread(self.bot.prepare, messages, self.settings(params))

    async def prepare_text(
        self, prompt: str | Sequence[int], params: Mapping[str, Any]
    ) -> Prepared:
        """Like `prepare` for a raw text or token ids, which are used exactly as given."""
        self.check_ready()
        return await asyncio.to_thread(self.bot.prepare_text, prompt, self.settings(params))

    # -- facts -----------------------------------------------------------------------------------

    def params_schema(self) -> dict[str, Any]:
        """JSON schema of the bot's settings, with this worker's limit on new tokens."""
        schema = self.bot.Settings.model_json_schema()
        field, most = schema["properties"]["max_new_tokens"], self.config.max_new_tokens
        field["maximum"] = min(field.get("maximum", most), most)
        field["default"] = min(field["default"], most)
        return schema

    @property
    def context_length(self) -> int | None:
        """Limit on tokens of prompt and answer; None without a limit or before loading."""
        return self._bot_info.context_length

    def supports(self, setting: str) -> bool:
        """Whether the bot has a setting of this name."""
        return self._bot is not None and setting in self._bot.Settings.model_fields

    def memory(self) -> dict[str, int]:
        """Bytes of memory by kind, as `ChatBot.memory` gives them; empty before loading."""
        return self._bot.memory() if self._loaded and self._bot is not None else {}

    def info(self) -> InfoResponse:
        """The body of `GET /info`."""
        facts, config = self._bot_info, self.config
        return InfoResponse(
            name=self.name,
            family=config.bot or config.type or family_of(config.pretrained_path),
            model=config.pretrained_path or self.name,
            native_class=facts.native_class,
            device_map=facts.device_map,
            dtype=facts.dtype,
            quantization=facts.quantization,
            context_length=facts.context_length,
            revision=facts.revision,
            base_model=facts.base_model,
            adapter=facts.adapter,
            engine=facts.engine,
            engine_reason=facts.engine_reason,
            memory=MemoryBody(**self.memory()),
            version=package_version(),
            state=self.state,
            progress=self.progress,
            error=self.error,
            queue=QueueBody(
                running=self.runner.running,
                waiting=self.runner.waiting,
                max_running=self.runner.max_running,
                max_queue=config.max_queue,
            ),
            capabilities=Capabilities(
                beam=self.supports("num_beams"),
                logprobs=self.supports("logprobs"),
                token_prompts=self._bot is not None and self._bot.token_prompts,
            ),
            limits=LimitsBody(
                max_new_tokens=config.max_new_tokens,
                max_messages=config.max_messages,
                max_body_bytes=config.max_body_bytes,
                request_timeout_s=config.request_timeout,
            ),
        )
