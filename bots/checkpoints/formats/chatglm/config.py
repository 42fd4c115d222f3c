# mypy: allow-subclassing-any
"""The configuration of ChatGLM-6B (v1), as its `config.json` on the hub has it."""

from typing import Any, ClassVar

from transformers import PreTrainedConfig


class ChatGLMConfig(PreTrainedConfig):
    """Shape and special ids of a ChatGLM-6B; `ChatGLMConfig(**json.loads(config.json))` reads one.

    The fields keep the file's names; transformers' common names (`num_hidden_layers`, …) are
    aliases. `bos_token_id` is `<sop>`, where the answer starts, `eos_token_id` is `<eop>`.

    Raises `ValueError` for variants that the model class does not compute, and for a hidden size
    that its heads cannot share.
    """

    model_type = "chatglm"
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["cache"]
    attribute_map: ClassVar[dict[str, str]] = {
        "num_hidden_layers": "num_layers",
        "intermediate_size": "inner_hidden_size",
        "max_position_embeddings": "max_sequence_length",
        "layer_norm_eps": "layernorm_epsilon",
    }

    vocab_size: int = 130528
    hidden_size: int = 4096
    inner_hidden_size: int = 16384
    num_layers: int = 28
    num_attention_heads: int = 32
    max_sequence_length: int = 2048
    layernorm_epsilon: float = 1e-5
    bos_token_id: int = 130004
    eos_token_id: int = 130005
    mask_token_id: int = 130000
    gmask_token_id: int = 130001
    pad_token_id: int = 3
    position_encoding_2d: bool = True
    pre_seq_len: int | None = None
    use_cache: bool = True
    tie_word_embeddings: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if not self.position_encoding_2d:
            raise ValueError(
                "This ChatGLM has position_encoding_2d false, but only 2D positions are supported."
            )
        if self.pre_seq_len:
            raise ValueError(
                f"This ChatGLM has pre_seq_len {self.pre_seq_len} (p-tuning), which is not"
                " supported."
            )
        # Each of the two positions rotates one half of a head, by pairs of numbers.
        if self.hidden_size % (4 * self.num_attention_heads):
            raise ValueError(
                f"ChatGLM's hidden_size {self.hidden_size} must be a multiple of 4 times its"
                f" num_attention_heads {self.num_attention_heads}."
            )
