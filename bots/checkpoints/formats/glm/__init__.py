"""ChatGLM2 and ChatGLM3 (THUDM/chatglm2-6b, chatglm3-6b): transformers' GLM, own tokenizers.

Both have the same config and tensors. They differ by name only: in how `rope_ratio` stretches the
context, and in the special tokens.
"""

from bots.checkpoints.formats.chatglm import is_version_1
from bots.registry.formats import Config, Format, TokenizerFiles


def is_version_3(config: Config, family: str | None) -> bool:
    """Whether a checkpoint is ChatGLM3's: by the chosen family, else by the name in its config."""
    if family in ("chatglm2", "chatglm3"):
        return family == "chatglm3"
    return "chatglm3" in str(config.get("_name_or_path", "")).lower()


def _matches(config: Config) -> bool:
    return config.get("model_type") == "chatglm" and not is_version_1(config)


def _tokenizer(files: TokenizerFiles) -> str | None:
    # "glm" is the architecture after `chatzoo convert`.
    converted = files.model_type == "glm" and files.tokenizer_class == "ChatGLMTokenizer"
    if not (converted or _matches(files.config)):
        return None
    named = {"_name_or_path": files.declared.get("name_or_path"), **files.config}
    version = 3 if is_version_3(named, files.family) else 2
    return f"{__name__}.tokenizer:ChatGLM{version}Tokenizer.load"


FORMAT = Format(
    matches=_matches,
    weights=f"{__name__}.weights:native_model",
    tokenizer=_tokenizer,
    family=lambda names: "chatglm3" if "chatglm3" in names else "chatglm2",
)
