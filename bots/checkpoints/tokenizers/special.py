"""Which special tokens a folder declares, and which of them swallow the white space beside them.

The rules are those of the Python ("slow") tokenizers of transformers 4.30, for which the models of
2023 were published. A token that special_tokens_map.json or added_tokens.json gives as a plain text
swallows the white space on both sides. A token with flags, or in tokenizer_config.json, follows its
flags, which are off by default. Since 4.34 `added_tokens_decoder` holds all flags and decides.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken

from bots.checkpoints.tokenizers.files import failure, read_optional_json

_FLAGS = ("lstrip", "rstrip", "single_word", "normalized")


@dataclass(frozen=True)
class SpecialTokens:
    """Special tokens: `named` such as {"eos_token": "</s>"}, `extra` others, `added` by id."""

    named: dict[str, str]
    extra: list[str]
    added: dict[int, AddedToken]

    def options(self) -> dict[str, Any]:
        """The arguments of a transformers tokenizer's constructor."""
        return {
            **self.named,
            "extra_special_tokens": self.extra,
            "added_tokens_decoder": dict(self.added),
        }


def special_tokens(
    folder: Path, find: Callable[[str], int | None], size: int, defaults: Mapping[str, str]
) -> SpecialTokens:
    """Read the special tokens that the JSON files of `folder` declare.

    `find` gives the id of a token in the vocabulary itself, which has `size` tokens; `defaults`
    are the class's own, by names such as "eos_token". Raises LoadError.
    """
    config = read_optional_json(folder / "tokenizer_config.json")
    mapped = read_optional_json(folder / "special_tokens_map.json")
    numbered: dict[str, int] = read_optional_json(folder / "added_tokens.json")
    try:
        tokens = _Declared()
        named = {}
        for name in ("bos_token", "eos_token", "unk_token", "pad_token"):
            if content := (
                tokens.special(mapped.get(name), strips=True)
                or tokens.special(config.get(name) or defaults.get(name), strips=False)
            ):
                named[name] = content
        listed = mapped.get("additional_special_tokens", config.get("additional_special_tokens"))
        extra = [text for token in listed or () if (text := tokens.special(token, strips=True))]
        for content in sorted(numbered, key=lambda text: numbered[text]):
            tokens.ordinary(content)
        decoder = config.get("added_tokens_decoder", {})
        added = {int(number): AddedToken(**flags) for number, flags in decoder.items()}
        after = max([size - 1, *numbered.values(), *added])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise failure(folder, f"its special tokens are declared wrongly ({error})") from error
    known = {token.content for token in added.values()}
    for content, token in tokens.by_text.items():
        if content in known:
            continue
        place = numbered.get(content, find(content))
        if place is None:
            place = after = after + 1
        added[place] = token
    return SpecialTokens(named, extra, added)


class _Declared:
    """Declared tokens, in order. A declaration with flags replaces one without."""

    def __init__(self) -> None:
        self.by_text: dict[str, AddedToken] = {}
        self._flagged: set[str] = set()

    def special(self, declared: Any, *, strips: bool) -> str | None:
        """Add a token, a text or an object with flags. Returns its text, None where it is empty."""
        content = declared["content"] if isinstance(declared, dict) else declared
        if not content:  # some early LLaMA conversions declare empty texts
            return None
        if isinstance(declared, dict):
            flags = {name: declared[name] for name in _FLAGS if name in declared}
            self.by_text[content] = AddedToken(content, special=True, **flags)
            self._flagged.add(content)
        elif content not in self._flagged:
            self.by_text[content] = AddedToken(content, lstrip=strips, rstrip=strips, special=True)
        return str(content)

    def ordinary(self, content: str) -> None:
        """Add a token of added_tokens.json, unless it is known: it need not be special."""
        if content not in self.by_text:
            self.by_text[content] = AddedToken(content, lstrip=True, rstrip=True, normalized=False)
