"""A tiny language model with random weights, made on the spot."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TEXTS = [
    "the quick brown fox",
    "jumps over the lazy dog",
    "世界和平与发展",
    "家人 👨‍👩‍👧‍👦 🙂 🇨🇳",
    "naïve café",
]


@pytest.fixture(scope="session")
def tiny_tokenizer() -> Any:
    """Byte-level BPE: most characters beyond ASCII are several tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["</s>", "<|user|>"], initial_alphabet=alphabet
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    template = "{% for m in messages %}<|user|>{{ m['content'] }}</s>{% endfor %}"
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", chat_template=template
    )


@pytest.fixture(scope="session")
def tiny_model(tiny_tokenizer: Any) -> Any:
    """Two layers of LLaMA, the same each time."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tiny_tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        eos_token_id=0,
        bos_token_id=None,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="session")
def tiny_folder(
    tiny_model: Any, tiny_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The model and its tokenizer as a folder on disk."""
    folder = tmp_path_factory.mktemp("tiny")
    tiny_model.save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder
