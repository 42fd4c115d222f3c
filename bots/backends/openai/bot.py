"""OpenAIChatBot: a model behind any OpenAI-compatible endpoint, such as vLLM, Ollama, or a worker.

The model is named by the address of its endpoint: `http://host:port`, `https://host/some/v1`, and
behind `#` the model, where the endpoint has several: `http://127.0.0.1:11434#llama3.2`. The key
comes from the environment, never from the command line. The prompt is the endpoint's business:
this bot knows messages only.
"""

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from bots.backends.openai.chunks import DONE, ChunkReader, data_of
from bots.backends.openai.endpoint import Endpoint, Line, check
from bots.chatbot import ChatBot
from bots.errors import BotError, LoadError, UpstreamError
from bots.events import Message, Step, Usage
from bots.hooks import BotInfo, Inputs
from bots.sampling import FREQUENCY, PRESENCE, SEED, TEMPERATURE, TOP_P
from bots.settings import BotConfig, BotSettings, control

_DEFAULT = " Empty is the endpoint's own default."
_MOST_STOPS = 4  # OpenAI takes no more; `chat()` looks for all of them anyway


class OpenAISettings(BotSettings):
    """What OpenAI's dialect has. None is not sent: the endpoint has its own default."""

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
    """The messages as they are sent; `prompt` is the same as JSON."""

    messages: list[dict[str, str]] = field(default_factory=list)


class OpenAIChatBot(ChatBot[OpenAISettings]):
    """Sends conversations to an endpoint and passes its stream on."""

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
        """Ask the endpoint for its models. Raises LoadError if it or the model is not there."""
        if not self._endpoint.base:
            raise LoadError("Which endpoint? Give its address.", param="pretrained-path")
        self.progress("asking the endpoint", None)
        self._client = self._endpoint.client(os.environ)
        try:
            models = self._models()
            self._model = self._chosen(models)
        except BotError as error:
            self.close()
            raise LoadError(error.message, param="pretrained-path") from error
        length = models.get(self._model, {}).get("max_model_len")  # vLLM tells it
        self._context = length if isinstance(length, int) else None

    def _models(self) -> dict[str, dict[str, Any]]:
        """What the endpoint serves, by id."""
        assert self._client is not None
        url = f"{self._endpoint.base}/models"
        with self._endpoint.told():
            answer = self._client.get(url, timeout=10)
            check(answer, stream=False)
        try:
            return {str(entry["id"]): dict(entry) for entry in answer.json()["data"]}
        except (ValueError, KeyError, TypeError):
            raise UpstreamError(
                f"{url} does not list models as OpenAI does. Is this the address of the API?"
                " It often ends in /v1."
            ) from None

    def _chosen(self, models: Mapping[str, object]) -> str:
        base, wanted = self._endpoint.base, self._endpoint.model
        known = ", ".join(sorted(models)[:20]) or "none"
        if not wanted and len(models) == 1:
            return next(iter(models))
        if not wanted:
            raise LoadError(
                f"{base} has {len(models)} models ({known}). Name one behind the address:"
                f" {base}#{next(iter(models), 'NAME')}."
            )
        # Ollama lists "name:latest" and answers to "name".
        if wanted in models or f"{wanted}:latest" in models:
            return wanted
        raise LoadError(f"{base} has no model {wanted!r}. It has: {known}.")

    # -- prompts ---------------------------------------------------------------------------------

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        """The messages as JSON, which is what is sent; only the endpoint knows the text."""
        return json.dumps(_as_sent(messages), ensure_ascii=False, indent=1)

    def encode_messages(self, messages: Sequence[Message], settings: BotSettings) -> MessageInputs:
        """The messages themselves."""
        return MessageInputs(self.get_prompt(messages, settings), messages=_as_sent(messages))

    # -- answering -------------------------------------------------------------------------------

    def generate(
        self, inputs: Inputs, settings: OpenAISettings, stop: threading.Event
    ) -> Iterator[Step]:
        """Stream the endpoint's answer. A stop shuts the connection, silent or not."""
        assert isinstance(inputs, MessageInputs)
        assert self._client is not None
        if settings.max_new_tokens == 0:  # not allowed in this dialect
            yield Step(finish_reason="length", usage=Usage())
            return
        reader = ChunkReader()
        with Line(stop) as line, self._endpoint.told(stop):
            request = self._client.build_request(
                "POST",
                f"{self._endpoint.base}/chat/completions",
                json=self._body(inputs.messages, settings),
                extensions={"trace": line.trace},
            )
            answer = self._client.send(request, stream=True)
            try:
                check(answer, stream=True)
                for data in data_of(answer.iter_bytes()):
                    if stop.is_set() or data == DONE:
                        reader.finished |= data == DONE
                        break
                    yield reader.step(data)
            finally:
                answer.close()
        if not reader.finished and not stop.is_set():
            raise UpstreamError(
                f"{self._endpoint.base} broke off the answer: it sent neither a finish reason nor"
                " [DONE]."
            )

    def _body(self, messages: list[dict[str, str]], settings: OpenAISettings) -> dict[str, Any]:
        # OpenAI's newer models refuse the old name, other servers do not know the new one.
        is_openai = self._endpoint.host == "api.openai.com"
        limit = "max_completion_tokens" if is_openai else "max_tokens"
        optional = {
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "presence_penalty": settings.presence_penalty,
            "frequency_penalty": settings.frequency_penalty,
            "seed": settings.seed,
            "stop": [text for text in settings.stop if text][:_MOST_STOPS] or None,
        }
        return {
            "model": self._model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
            limit: settings.max_new_tokens,
        } | {name: value for name, value in optional.items() if value is not None}

    def info(self) -> BotInfo:
        """The little that an endpoint tells."""
        return BotInfo(native_class="OpenAI-compatible endpoint", context_length=self._context)

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None


def _as_sent(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]
