"""ChatGLM-6B as a model class of this package: transformers has none."""

import re
from collections.abc import Mapping
from typing import Any

from bots.checkpoints.formats.chatglm.config import ChatGLMConfig
from bots.checkpoints.formats.chatglm.modeling import ChatGLMForConditionalGeneration
from bots.checkpoints.formats.native_model import NativeModel
from bots.checkpoints.state_dict import Make, unchanged
from bots.errors import LoadError

_NOT_NEEDED = re.compile(r"\.rotary_emb\.inv_freq$")
_IDS = ("mask_token_id", "gmask_token_id", "bos_token_id", "eos_token_id")
_NOT_IN_CONFIG = {"quantization_bit", "quantization_embeddings", "auto_map", "model_type"}


def native_model(config: Mapping[str, Any], family: str | None = None) -> NativeModel:
    """The model of a ChatGLM-6B `config` (config.json). Raises LoadError for unknown variants."""
    if missing := [name for name in _IDS if name not in config]:
        # The first upload had another vocabulary (150528) and its ids in code only.
        raise LoadError(
            f"This ChatGLM is too old a revision: its config has no {', '.join(missing)}."
        )
    fields = {name: value for name, value in config.items() if name not in _NOT_IN_CONFIG}
    try:
        chatglm = ChatGLMConfig(**fields)
    except ValueError as error:
        raise LoadError(f"This ChatGLM is not supported: {error}") from error
    return NativeModel(ChatGLMForConditionalGeneration, chatglm, targets)


def targets(name: str) -> Mapping[str, Make]:
    """Map every tensor to its own name, but the rotary frequencies, which the model computes."""
    return {} if _NOT_NEEDED.search(name) else {name: unchanged}
