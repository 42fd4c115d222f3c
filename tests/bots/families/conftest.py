"""Bots with the tokenizer of a golden checkpoint and no model."""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest

from bots.checkpoints.load import read_config
from bots.checkpoints.load_tokenizer import load_tokenizer
from bots.registry.registry import choose_bot
from tests.golden_data import GOLDEN

WithTokenizer = Callable[[str, str], Any]


@cache
def _tokenizer(checkpoint: str, family: str) -> Any:
    return load_tokenizer(GOLDEN / checkpoint, read_config(GOLDEN / checkpoint), family)


@pytest.fixture(scope="session")
def with_tokenizer() -> WithTokenizer:
    """Makes a bot of a family with a tokenizer; its model has only a config and stop tokens."""

    def made(family: str, checkpoint: str) -> Any:
        bot: Any = choose_bot(family=family)()
        bot.tokenizer = _tokenizer(checkpoint, family)
        config = SimpleNamespace(is_encoder_decoder=False, max_position_embeddings=2048)
        config.get_text_config = lambda: config
        ends = SimpleNamespace(eos_token_id=None)
        bot.model = SimpleNamespace(config=config, generation_config=ends)
        bot.info = lambda: SimpleNamespace(context_length=2048, separate_answer=False)
        return bot

    return made
