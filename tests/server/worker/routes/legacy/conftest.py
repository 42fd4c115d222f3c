"""A bot that shows the conversation it was given."""

from collections.abc import Sequence

import pytest
from starlette.testclient import TestClient

from bots.backends.echo import EchoBot
from bots.events import Message
from bots.settings import BotSettings
from tests.server.conftest import MakeClient


class Transcript(EchoBot):
    """Answers with the whole conversation, so that tests can compare the model's input."""

    def get_prompt(self, messages: Sequence[Message], settings: BotSettings) -> str:
        return "|".join(f"{message.role[0]}:{message.content}" for message in messages)


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    return make_client(Transcript())
