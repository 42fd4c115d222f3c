"""Bots whose every step is known, for OpenAI's endpoints."""

import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from starlette.testclient import TestClient

from bots.chatbot import ChatBot
from bots.errors import InvalidRequest
from bots.events import Message, Step, TokenLogprob, TopLogprob
from bots.hooks import Inputs
from bots.sampling import SamplingSettings
from bots.settings import BotSettings, control
from tests.server.conftest import MakeClient


class Letters(ChatBot):
    """Continues the alphabet from the prompt's last letter; its tokens are letters."""

    token_prompts = True
    rewriting = False

    class Settings(SamplingSettings):
        """Sampling settings and scoring of prompts."""

        prompt_logprobs: int | None = control(None, "hidden", "Prompt", "Scores of the prompt.")

    def load_model(self) -> None:
        pass

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        return "".join(message.content for message in messages)

    def get_input(self, prompt: str) -> Inputs:
        return Inputs(prompt, [ord(letter) for letter in prompt])

    def input_of_ids(self, token_ids: Sequence[int]) -> Inputs:
        return Inputs("".join(map(chr, token_ids)), list(token_ids))

    def generate(
        self, inputs: Inputs, settings: BotSettings, stop: threading.Event
    ) -> Iterator[Step]:
        assert isinstance(settings, Letters.Settings)
        assert inputs.token_ids
        if settings.prompt_logprobs is not None:
            first, *rest = inputs.token_ids
            scored = (TokenLogprob(first, chr(first), None), *(self.score(one) for one in rest))
            yield Step(prompt_logprobs=scored)
        for n in range(settings.max_new_tokens):
            token = inputs.token_ids[-1] + 1 + n
            own = (self.score(token),) if settings.logprobs is not None else ()
            last = n + 1 == settings.max_new_tokens
            yield Step(token_ids=(token,), logprobs=own, finish_reason="length" if last else None)

    def score(self, token: int) -> TokenLogprob:
        return TokenLogprob(token, chr(token), -0.5, (TopLogprob(token, chr(token), -0.5),))

    def get_response(self, step: Step, inputs: Inputs) -> str:
        return "".join(map(chr, step.token_ids))


class Upper(Letters):
    """Rewrites its text: `abc` becomes `ABC` once it is complete."""

    def process_response(self, text: str) -> str:
        return text.replace("abc", "ABC")


class Undecided(Letters):
    """Replaces its first step by its second, as beam search does."""

    class Settings(Letters.Settings):
        """With beams."""

        num_beams: int = control(2, "number", "Beams", "How many.")

    def generate(
        self, inputs: Inputs, settings: BotSettings, stop: threading.Event
    ) -> Iterator[Step]:
        yield Step(token_ids=(98, 99))
        yield Step(token_ids=(98, 100, 101), whole=True)
        yield Step(token_ids=(102,), finish_reason="stop")


class Either(Letters):
    """Answers by beam search, without log-probabilities, unless the request sets one beam."""

    class Settings(Letters.Settings):
        """With beams."""

        num_beams: int = control(4, "number", "Beams", "How many.")

    def check(self, settings: BotSettings) -> None:
        assert isinstance(settings, Either.Settings)
        if settings.num_beams > 1 and settings.logprobs is not None:
            raise InvalidRequest("logprobs: not by beams.", param="logprobs")


@pytest.fixture
def letters(make_client: MakeClient) -> TestClient:
    return make_client(Letters(), name="letters")


def chunks_of(text: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def chat(text: str = "a", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "max_tokens": 3, **more}


def complete(letters: TestClient, **body: Any) -> dict[str, Any]:
    reply = letters.post("/v1/completions", json={"max_tokens": 2, **body})
    assert reply.status_code == 200, reply.text
    result: dict[str, Any] = reply.json()
    return result
