"""LLaMA in its first conversions (EduChat, Chinese-Vicuna): the tokenizer alone is read here.

Source: `LlamaTokenizer` of transformers 4.30, whose `legacy` behaviour the models were trained
with. The weights are transformers' own.
"""

from bots.registry.formats import Format, TokenizerFiles

_MISNAMED = "LLaMATokenizer"
"""The class that the first conversions name. transformers has none of this name, and silently
takes another one."""
_CLASSES = (_MISNAMED, "LlamaTokenizer", "LlamaTokenizerFast", None)


def _tokenizer(files: TokenizerFiles) -> str | None:
    if files.model_type != "llama" or files.tokenizer_class not in _CLASSES:
        return None
    if files.declared.get("legacy") is False:
        return None
    misnamed, fast = files.tokenizer_class == _MISNAMED, files.has("tokenizer.json")
    # Where both files are there, a chosen family is one that was trained with the old tokenizer.
    chosen = files.family not in (None, "auto")
    if files.has("tokenizer.model") and (not fast or chosen or misnamed):
        return "bots.checkpoints.tokenizers.pieces:LlamaPiecesTokenizer.load"
    return f"{__name__}.tokenizer:load_fast" if fast and misnamed else None


FORMAT = Format(matches=lambda config: False, tokenizer=_tokenizer)
