"""InternLM2 (internlm/internlm2-*, AMchat): LLaMA's weights, and a SentencePiece tokenizer."""

from bots.registry.formats import Config, Format, TokenizerFiles

_CLASSES = ("InternLM2Tokenizer", "InternLM2TokenizerFast")


def _matches(config: Config) -> bool:
    return config.get("model_type") == "internlm2"


def _tokenizer(files: TokenizerFiles) -> str | None:
    if not _matches(files.config) and files.tokenizer_class not in _CLASSES:
        return None
    # A folder with tokenizer.json alone is read by transformers.
    if files.has("tokenizer.json") and not files.has("tokenizer.model"):
        return None
    return "bots.checkpoints.tokenizers.pieces:LlamaPiecesTokenizer.load"


FORMAT = Format(
    matches=_matches,
    weights=f"{__name__}.weights:native_model",
    tokenizer=_tokenizer,
    fallback_family="amchat",
)
