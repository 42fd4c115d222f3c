"""ChatGLM-6B (THUDM/chatglm-6b): a model class of our own, and its tokenizer.

ChatGLM2 and ChatGLM3 have the same `model_type` and are the format `glm`.
"""

from bots.registry.formats import Config, Format, TokenizerFiles

_ONLY_HERE = ("position_encoding_2d", "inner_hidden_size")
"""Fields of ChatGLM-6B's config.json that ChatGLM2's and ChatGLM3's lack."""


def is_version_1(config: Config) -> bool:
    """Whether a config.json is ChatGLM-6B's."""
    return config.get("model_type") == "chatglm" and any(name in config for name in _ONLY_HERE)


def _tokenizer(files: TokenizerFiles) -> str | None:
    return f"{__name__}.tokenizer:ChatGLMTokenizer.load" if is_version_1(files.config) else None


FORMAT = Format(
    matches=is_version_1,
    weights=f"{__name__}.weights:native_model",
    tokenizer=_tokenizer,
    family=lambda names: "chatglm",
)
