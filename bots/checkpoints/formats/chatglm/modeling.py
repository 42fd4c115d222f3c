# mypy: allow-subclassing-any
"""The model class of ChatGLM-6B (v1), which transformers lacks.

A GLM: the prompt before the first `<sop>` (its context) is read in both directions, the answer
from `<sop>` on from left to right. A token has two positions: its place in the context (for the
answer, the place of the mask token that it fills) and its place in the answer (0 in the context).
Du et al., "GLM: General Language Model Pretraining with Autoregressive Blank Infilling", 2022.

The tensors have the names of the hub's checkpoints, which also hold `attention.rotary_emb.inv_freq`
per layer; here it is one buffer, computed.
"""

from typing import Any

import torch
from torch import nn
from transformers import Cache, DynamicCache, GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import CausalLMOutputWithPast

from bots.checkpoints.formats.chatglm.config import ChatGLMConfig
from bots.checkpoints.formats.chatglm.layers import ChatGLMBlock, ChatGLMRotary


def _attention_mask(
    config: ChatGLMConfig,
    inputs_embeds: torch.Tensor,
    attention_mask: torch.Tensor | None,
    cache: Cache | None,
    position_ids: torch.Tensor,
    **_: Any,
) -> Any:
    """The mask for the chosen attention: causal, but tokens of the context see all of the context.

    `position_ids` [batch, 2, new tokens] mark the context: their second row is 0 there.
    """
    context = position_ids[:, 1] == 0
    blocks = None
    if cache is None or not cache.get_seq_length():
        blocks = context.long() - 1  # tokens of block 0 see one another; −1 is no block
    elif context.shape[1] > 1 and bool(context.any()):
        raise ValueError("The prompt of a ChatGLM must go through the model in one piece.")
    return create_causal_mask(
        config, inputs_embeds, attention_mask, cache, block_sequence_ids=blocks
    )


class ChatGLMModel(nn.Module):
    """Embedding, layers and final normalization."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self._config = config
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.rotary_emb = ChatGLMRotary(config)
        self.layers = nn.ModuleList(ChatGLMBlock(config, at) for at in range(config.num_layers))
        self.final_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None,
        position_ids: torch.Tensor,
        cache: Cache | None,
    ) -> torch.Tensor:
        """Ids [batch, time] to hidden states [batch, time, hidden]."""
        states = self.word_embeddings(input_ids)
        mask = _attention_mask(self._config, states, attention_mask, cache, position_ids)
        table = self.rotary_emb(position_ids, states.dtype)
        for layer in self.layers:
            states = layer(states, mask, table, cache=cache)
        return self.final_layernorm(states)


class ChatGLMForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """ChatGLM-6B with its language-model head.

    Load it by `from_pretrained(None, config=config, state_dict=tensors)`. Not registered with the
    auto classes: ChatGLM2 and ChatGLM3 have the same `model_type`.
    """

    config_class = ChatGLMConfig
    base_model_prefix = "transformer"
    main_input_name = "input_ids"
    create_masks_for_generate = staticmethod(_attention_mask)
    _no_split_modules = ("ChatGLMBlock",)
    _skip_keys_device_placement = ("cache",)
    _supports_sdpa = True
    _tied_weights_keys = {"lm_head.weight": "transformer.word_embeddings.weight"}  # noqa: RUF012

    prefill_in_one = True
    """The context is read in both directions, so a prompt cannot be prefilled in chunks."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__(config)
        self.transformer = ChatGLMModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(
            module, ChatGLMRotary
        ):  # no checkpoint holds it, and loading on the meta device drops it
            init.copy_(module.inv_freq, module.frequencies())

    def get_input_embeddings(self) -> nn.Module:
        """The word embeddings."""
        return self.transformer.word_embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the word embeddings."""
        self.transformer.word_embeddings = value

    def position_ids_of(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Both positions [batch, 2, time] of whole sequences [batch, time].

        With c the place of the first `<sop>` (padding not counted): row 0 is 0…c−1, then always
        the place of the context's first `[gMASK]`, else of its first `[MASK]`, else c, as if the
        mask stood at its end; row 1 is 0 up to c, then 1, 2, 3, …. Without `<sop>` the context is
        empty and all is answer, which is how the model has seen running text. Padding is at 0.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        elif attention_mask.shape != input_ids.shape:
            raise ValueError("ChatGLM's positions need the whole sequence, not only its new ids.")
        valid = attention_mask.bool()
        answer = ((input_ids == self.config.bos_token_id) & valid).cumsum(-1) > 0
        answer = (answer | ~answer[:, -1:]) & valid
        context = valid & ~answer
        place = (valid.cumsum(-1) - 1).clamp(min=0)
        end = context.sum(-1, keepdim=True)
        hole = end
        for mask_id in (self.config.mask_token_id, self.config.gmask_token_id):
            is_mask = context & (input_ids == mask_id)
            first = torch.where(is_mask, place, end).amin(-1, keepdim=True)
            hole = torch.where(first < end, first, hole)
        return torch.stack((torch.where(answer, hole, place), answer.cumsum(-1) * valid), 1)

    def prepare_inputs_for_generation(
        self,
        input_ids: torch.Tensor,
        cache: Cache | None = None,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The inputs of one step of `generate`, with positions computed from all ids so far.

        Positions given to `generate` are ignored: it would continue them by adding one.
        Raises `ValueError` when `input_ids` do not hold what is already in the cache.
        """
        if cache is not None and cache.get_seq_length() >= input_ids.shape[1]:
            raise ValueError("ChatGLM's positions need the whole sequence, not only its new ids.")
        kwargs["position_ids"] = self.position_ids_of(input_ids, attention_mask)
        prepared: dict[str, Any] = super().prepare_inputs_for_generation(
            input_ids, cache=cache, attention_mask=attention_mask, **kwargs
        )
        return prepared

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        cache: Cache | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Logits [batch, kept, vocabulary] of ids [batch, time], which continue the cache.

        `attention_mask` [batch, cached + time] is 0 at padding, which is on the left.
        `position_ids` [batch, 2, time] may be left out when the cache is empty. `logits_to_keep`
        is how many positions at the end (0: all), or their indices. Raises `ValueError` when
        positions are missing and for a part of a prompt's context.
        """
        if position_ids is None:
            if cache is not None and cache.get_seq_length():
                raise ValueError("ChatGLM needs position_ids when the cache is not empty.")
            position_ids = self.position_ids_of(input_ids, attention_mask)
        if cache is None and (self.config.use_cache if use_cache is None else use_cache):
            cache = DynamicCache(config=self.config)
        states = self.transformer(input_ids, attention_mask, position_ids, cache=cache)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        return CausalLMOutputWithPast(logits=self.lm_head(states[:, kept]), cache=cache)
