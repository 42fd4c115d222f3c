"""MOSS (fnlp/moss-moon-003-*): CodeGen's weights, and GPT-2's tokenizer with tokens of its own."""

from bots.registry.formats import Format, TokenizerFiles


def _tokenizer(files: TokenizerFiles) -> str | None:
    if files.model_type == "moss" or files.tokenizer_class == "MossTokenizer":
        return f"{__name__}.tokenizer:load"
    return None


FORMAT = Format(
    matches=lambda config: config.get("model_type") == "moss",
    weights=f"{__name__}.weights:native_model",
    tokenizer=_tokenizer,
    # The plugin model has the same config; only its name differs.
    family=lambda names: "moss-plugin" if "plugin" in names else "moss",
)
