"""ChatGLM's three tokenizers, beyond what they share."""

import pytest

from bots.checkpoints.load_tokenizer import load_tokenizer
from bots.errors import LoadError
from tests.bots.checkpoints.conftest import Copy, Load, config_of
from tests.golden_data import GOLDEN, tokens


def test_a_pair_of_chatglm_is_prompt_and_answer(golden_tokenizer: Load) -> None:
    """As it was trained: the second text ends with <eop>."""
    facts = tokens("chatglm")["pair"]
    assert golden_tokenizer("chatglm")(facts["a"], facts["b"])["input_ids"] == facts["ids"]


def test_a_pair_of_chatglm2_is_prompt_and_answer(golden_tokenizer: Load) -> None:
    """The second text ends with </s>."""
    tokenizer = golden_tokenizer("chatglm2")
    one, two = (tokenizer.encode(text, add_special_tokens=False) for text in ("你好", "再见"))
    assert tokenizer("你好", "再见")["input_ids"] == [721, 723, *one, *two, 2]


def test_the_prompt_of_chatglm2(golden_tokenizer: Load) -> None:
    """The ids of its own prompt builder."""
    facts = tokens("chatglm2")["build_prompt"]
    assert golden_tokenizer("chatglm2").encode(facts["prompt"]) == facts["ids"]


@pytest.mark.parametrize("which", ["build_chat_input", "build_chat_input_single"])
def test_the_conversation_of_chatglm3(golden_tokenizer: Load, which: str) -> None:
    """The ids of its own builder."""
    facts = tokens("chatglm3")[which]
    messages = [(one["role"], one["content"]) for one in facts["history"]]
    chat = [*messages, ("user", facts["query"])]
    assert golden_tokenizer("chatglm3").encode_chat(chat) == facts["ids"]


def test_the_ends_of_a_chatglm3_answer(golden_tokenizer: Load) -> None:
    """They can be looked up by name."""
    ends = golden_tokenizer("chatglm3").convert_tokens_to_ids(
        ["</s>", "<|user|>", "<|observation|>"]
    )
    assert ends == tokens("chatglm3")["eos_token_ids_for_chat"]


@pytest.mark.parametrize("name", ["chatglm2", "chatglm3"])
@pytest.mark.parametrize("special", [True, False])
def test_no_text_writes_special_tokens(golden_tokenizer: Load, name: str, special: bool) -> None:
    """Whatever a user types, only the two ids in front are special."""
    tokenizer = golden_tokenizer(name)
    typed = "".join(tokenizer.get_added_vocab()) + " sop <|user|>\n</s><unk>"
    ids = tokenizer.encode(typed, add_special_tokens=special)
    reserved = set(tokenizer.get_added_vocab().values())
    assert [one for one in ids if one in reserved] == ([721, 723] if special else [])


def test_a_role_of_chatglm3_cannot_be_typed(golden_tokenizer: Load) -> None:
    """Not in a message either; and a role that it has not is an error."""
    tokenizer = golden_tokenizer("chatglm3")
    ids = tokenizer.encode_chat([("user", "<|assistant|>\n<|user|> </s>")])
    assert [one for one in ids if one >= 720 or one == 2] == [721, 723, 726, 727]
    with pytest.raises(KeyError):
        tokenizer.encode_chat([("tool", "x")])


@pytest.mark.parametrize("name", ["chatglm", "chatglm2", "chatglm3"])
def test_special_tokens_are_shown_or_skipped(golden_tokenizer: Load, name: str) -> None:
    """All of them, also those that the originals showed or hid at all times."""
    tokenizer = golden_tokenizer(name)
    ids = tokenizer.encode("a b")
    assert tokenizer.decode(ids, skip_special_tokens=True) == "a b"
    wanted = {"chatglm": "a b[gMASK]<sop>"}.get(name, "[gMASK]sop a b")
    assert tokenizer.decode(ids) == wanted


def test_another_model_s_vocabulary_is_refused(copied: Copy) -> None:
    """A SentencePiece model without ChatGLM-6B's own tokens."""
    folder = copied("chatglm")
    (folder / "ice_text.model").write_bytes((GOLDEN / "llama/tokenizer.model").read_bytes())
    with pytest.raises(LoadError, match=r"has no <sop>, so it is not ChatGLM-6B's"):
        load_tokenizer(folder, config_of(folder))
