"""OpenAIChatBot: a model behind any OpenAI-compatible endpoint, such as vLLM, Ollama, or a worker.

The model is named by the endpoint's address, followed by `#` and the model's id where the endpoint
has several: `http://host:port`, `https://host/some/v1`, `http://127.0.0.1:11434#llama3.2`. The API
key comes from the environment, because a command line is visible to other users. The endpoint
makes the prompt: this bot sends messages.
"""

import json
import os
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import httpx

from bots.backends.openai.chunks import DONE, ChunkReader
from bots.backends.openai.connection import StoppableConnection
from bots.backends.openai.endpoint import Endpoint, raise_for_refusal
from bots.chatbot import ChatBot
from bots.errors import BotError, LoadError, UpstreamError
from bots.events import Message, Step, Usage
from bots.hooks import BotInfo, Inputs
from bots.sampling import FREQUENCY, PRESENCE, SEED, TEMPERATURE, TOP_P
from bots.settings import BotConfig, BotSettings, control
from bots.streaming.sse import SSEError, SSEOptions, read_events

_DEFAULT = " Empty is the endpoint's own default."
# OpenAI's limit. `chat()` looks for all stop texts itself; sending some ends the decoding earlier.
_MAX_STOPS = 4
_LIST_SECONDS = 10  # for the list of models, which is short and must not hold a start up

# Text that is not UTF-8 would be shown as damaged characters of the model; some servers end the
# stream without the last blank line.
_STREAM = SSEOptions(strict=True, unfinished=True)


class OpenAISettings(BotSettings):
    """The settings that OpenAI's dialect has. None is not sent: the endpoint's default counts."""

    temperature: float | None = control(
        None, "number", "Temperature", TEMPERATURE + _DEFAULT, ge=0, le=2, step=0.05
    )
    top_p: float | None = control(None, "number", "Top-p", TOP_P + _DEFAULT, ge=0, le=1, step=0.01)
    presence_penalty: float | None = control(
        None, "number", "Presence penalty", PRESENCE + _DEFAULT, ge=-2, le=2, step=0.1
    )
    frequency_penalty: float | None = control(
        None, "number", "Frequency penalty", FREQUENCY + _DEFAULT, ge=-2, le=2, step=0.1
    )
    seed: int | None = control(None, "number", "Seed", SEED, ge=0, le=2**32 - 2, step=1)


@dataclass(slots=True)
class MessageInputs(Inputs):
    """The messages to send; `prompt` contains them as JSON."""

    messages: list[dict[str, str]] = field(default_factory=list)


class OpenAIChatBot(ChatBot[OpenAISettings]):
    """Sends conversations to an endpoint and yields its stream.

    A request waits for the endpoint in the thread that runs it; `generate` yields no `Pause`.
    """

    Settings = OpenAISettings
    max_running = 64
    reasoning_tags = ("<think>", "</think>")

    def __init__(self, config: BotConfig | None = None) -> None:
        super().__init__(config)
        path = self.config.pretrained_path
        self._endpoint = Endpoint.parse(path) if path else Endpoint("")
        self._model = self._endpoint.model
        self._context: int | None = None
        self._client: httpx.Client | None = None

    # -- loading ---------------------------------------------------------------------------------

    def load_model(self) -> None:
        """Request the list of models and choose one. Raises LoadError if that is not possible."""
        if not self._endpoint.base:
            raise LoadError("Which endpoint? Give its address.", param="pretrained-path")
        self.progress("asking the endpoint", None)
        self._client = self._endpoint.client(os.environ)
        try:
            models = self._models()
            self._model = self._choose(models)
        except BotError as error:
            self.close()
            raise LoadError(error.message, param="pretrained-path") from error
        length = models.get(self._model, {}).get("max_model_len")  # vLLM's addition
        self._context = length if isinstance(length, int) else None

    def _models(self) -> dict[str, dict[str, Any]]:
        """The endpoint's model objects by their ids. Raises UpstreamError."""
        assert self._client is not None
        url = f"{self._endpoint.base}/models"
        with self._endpoint.translated_errors():
            answer = self._client.get(url, timeout=_LIST_SECONDS)
            raise_for_refusal(answer, stream=False)
        try:
            return {str(entry["id"]): dict(entry) for entry in answer.json()["data"]}
        except (ValueError, KeyError, TypeError):
            raise UpstreamError(
                f"{url} does not list models as OpenAI does. Is this the address of the API?"
                " It often ends in /v1."
            ) from None

    def _choose(self, models: Mapping[str, object]) -> str:
        """The id to send: the one in the address, or the only one. Raises LoadError."""
        base, wanted = self._endpoint.base, self._endpoint.model
        known = ", ".join(sorted(models)[:20]) or "none"
        if not wanted and len(models) == 1:
            return next(iter(models))
        if not wanted:
            raise LoadError(
                f"{base} has {len(models)} models ({known}). Name one behind the address:"
                f" {base}#{next(iter(models), 'NAME')}."
            )
        # Ollama lists "name:latest" and accepts "name".
        if wanted in models or f"{wanted}:latest" in models:
            return wanted
        raise LoadError(f"{base} has no model {wanted!r}. It has: {known}.")

    # -- prompts ---------------------------------------------------------------------------------

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """The messages as JSON. The endpoint's own prompt text is not known here."""
        return json.dumps(_to_send(messages), ensure_ascii=False, indent=1)

    def encode_messages(self, messages: Sequence[Message], settings: BotSettings) -> MessageInputs:
        """The messages to send, with their JSON as the prompt."""
        return MessageInputs(self.get_prompt(messages, settings), messages=_to_send(messages))

    # -- answering -------------------------------------------------------------------------------

    def generate(
        self, inputs: Inputs, settings: OpenAISettings, stop: threading.Event
    ) -> Iterator[Step]:
        """Stream the endpoint's answer. A stop closes the connection, even a silent one."""
        assert isinstance(inputs, MessageInputs)
        if settings.max_new_tokens == 0:  # not allowed in this dialect
            yield Step(finish_reason="length", usage=Usage())
            return
        reader = ChunkReader()
        with closing(self._stream(self._body(inputs.messages, settings), stop)) as stream:
            for data in stream:
                if stop.is_set():
                    return
                if data == DONE:
                    reader.finished = True
                    break
                yield reader.step(data)
        # Half an answer must not look like a whole one. Either sign of the end is enough, as some
        # servers send no [DONE] and others no finish reason.
        if not reader.finished and not stop.is_set():
            raise UpstreamError(
                f"{self._endpoint.base} broke off the answer: it sent neither a finish reason nor"
                " [DONE]."
            )

    def _stream(self, body: Mapping[str, Any], stop: threading.Event) -> Generator[str, None, None]:
        """The data of each event of the answer. Raises UpstreamError, InvalidRequest."""
        assert self._client is not None
        with StoppableConnection(stop) as connection, self._endpoint.translated_errors(stop):
            request = self._client.build_request(
                "POST",
                f"{self._endpoint.base}/chat/completions",
                json=body,
                extensions={"trace": connection.trace},
            )
            answer = self._client.send(request, stream=True)
            try:
                raise_for_refusal(answer, stream=True)
                for _, data in read_events(answer, _STREAM):
                    yield data
            except SSEError as error:
                raise UpstreamError(
                    f"The stream of {self._endpoint.base} cannot be read: {error}"
                ) from error
            finally:
                # Closing the generator ends the connection, and with it the endpoint's decoding.
                answer.close()

    def _body(self, messages: list[dict[str, str]], settings: OpenAISettings) -> dict[str, Any]:
        """The body of the request, without the settings that are not set."""
        # OpenAI's newer models refuse `max_tokens`, other servers ignore its new name.
        is_openai = self._endpoint.host == "api.openai.com"
        limit = "max_completion_tokens" if is_openai else "max_tokens"
        optional = {
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "presence_penalty": settings.presence_penalty,
            "frequency_penalty": settings.frequency_penalty,
            "seed": settings.seed,
            "stop": [text for text in settings.stop if text][:_MAX_STOPS] or None,
        }
        return {
            "model": self._model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
            limit: settings.max_new_tokens,
        } | {name: value for name, value in optional.items() if value is not None}

    def info(self) -> BotInfo:
        """The context length, where the endpoint lists it."""
        return BotInfo(native_class="OpenAI-compatible endpoint", context_length=self._context)

    def close(self) -> None:
        """Close the client and its connections."""
        if self._client is not None:
            self._client.close()
            self._client = None


def _to_send(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]
