"""ChatGLMConfig reads the hub's config.json and refuses what is not computed."""

import json
from typing import Any

import pytest

from bots.checkpoints.formats.chatglm.config import ChatGLMConfig
from tests.golden_data import GOLDEN


def fields(**changes: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((GOLDEN / "chatglm" / "config.json").read_text("utf-8"))
    return read | changes


def test_file_is_taken_as_it_is() -> None:
    """The file's values win, under its names and under the common ones."""
    config = ChatGLMConfig(**fields(num_layers=5, layernorm_epsilon=1e-4))
    assert (config.vocab_size, config.bos_token_id, config.eos_token_id) == (800, 704, 705)
    assert (config.mask_token_id, config.gmask_token_id, config.pad_token_id) == (700, 701, 3)
    assert (config.num_hidden_layers, config.intermediate_size) == (5, 128)
    assert (config.max_position_embeddings, config.layer_norm_eps) == (512, 1e-4)


def test_defaults_are_the_hubs() -> None:
    """A config without a file is that of THUDM/chatglm-6b."""
    config = ChatGLMConfig()
    assert (config.hidden_size, config.num_layers, config.bos_token_id) == (4096, 28, 130004)
    assert config.tie_word_embeddings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"position_encoding_2d": False}, "only 2D positions"),
        ({"pre_seq_len": 128}, "p-tuning"),
        ({"num_attention_heads": 3}, "multiple of 4 times"),
    ],
)
def test_refused(changes: dict[str, Any], message: str) -> None:
    """What the class would compute wrongly is an error that says why."""
    with pytest.raises(ValueError, match=message):
        ChatGLMConfig(**fields(**changes))
