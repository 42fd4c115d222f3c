"""TransformersChatBot: the hooks of a text model that transformers loads.

The prompt belongs to the families that subclass it. Loading is in `loading`, decoding in
`bots.engine`, the way from tokens to text in `token_reader`.
"""

import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal

from bots.backends.transformers.loading import (
    ModelFiles,
    find_files,
    find_tokenizer,
    load_model,
)
from bots.backends.transformers.settings import T, TransformersSettings
from bots.backends.transformers.token_reader import TokenInputs, TokenReader
from bots.chatbot import ChatBot
from bots.checkpoints.load import Checkpoint
from bots.checkpoints.load_errors import loading
from bots.checkpoints.placement import Placement, parse_size
from bots.engine.beam import IsComplete
from bots.engine.decoder_selection import Decoders, choose_decoders
from bots.engine.device import (
    free_on,
    input_device,
    is_out_of_memory,
    peak_memory,
    weight_bytes,
)
from bots.engine.stop_texts import StopTexts
from bots.errors import InvalidRequest, LoadError, OutOfMemory, Unsupported
from bots.events import Step
from bots.hooks import BotInfo, Inputs
from bots.streaming.pause import Pause

MAX_RUNNING = 16
"""Requests that are batched together, unless the operator sets another number.

More raise the throughput of a batch and slow each of its requests down. Chosen, not tuned.
"""

KV_SHARE = 0.25
"""Share of the memory that is free after loading which KV caches may use.

A larger share holds longer and more conversations. The rest is for activations, other workers on
the same machine and beam search, whose caches are not counted. Chosen, not tuned; `--kv-memory`
sets another size.
"""


class TransformersChatBot(ChatBot[T]):
    """A language model loaded by transformers."""

    Settings: type[T] = TransformersSettings  # type: ignore[assignment]
    token_prompts = True
    skip_special_tokens = True
    """Whether special tokens are left out of the answer's text; `reasoning_tags` never are."""

    finite_logits = False
    """Whether NaN and infinite logits are replaced, for models that produce some in half
    precision."""

    adds_special_tokens: ClassVar[bool] = False
    """Whether the tokenizer adds its own special tokens to a prompt: LLaMA's `<s>`, T5's `</s>`."""

    stop_tokens: ClassVar[tuple[str, ...]] = ()
    """Names of tokens that end an answer of this family, besides the checkpoint's own."""

    family: ClassVar[str | None] = None
    """Its key in MODEL_DICT, which decides where a checkpoint's files can be read in two ways."""

    gguf_adapter = "bots.backends.llamacpp.family:with_llamacpp"

    tokenizer: Any
    model: Any
    checkpoint: Checkpoint
    _files: ModelFiles
    _placement: Placement | None = None
    decoders: Decoders | None = None
    _weight_bytes: int = 0

    # -- loading ---------------------------------------------------------------------------------

    def load_tokenizer(self) -> None:
        """Load the tokenizer beside the model, or at `tokenizer_path`."""
        config, progress = self.config, self.progress
        progress("tokenizer", None)
        with loading("tokenizer", config.tokenizer_path or config.pretrained_path, progress):
            self._files = find_files(config, self.family, progress)
            self.tokenizer = find_tokenizer(self._files, config, self.family, progress)
        self.checkpoint = self._files.checkpoint

    def load_model(self) -> None:
        """Load the weights, and choose how they decode."""
        config, progress = self.config, self.progress
        progress("weights", None)
        self._placement = Placement(config)
        with loading("model", config.pretrained_path, progress):
            self.model = load_model(self._files, config, self._placement, progress)
            self.decoders = choose_decoders(
                self.model,
                kv_memory=self._kv_memory,
                finite=self.finite_logits,
                completion_of=self._completion_of,
            )
        if self.decoders.obstacle is None:
            self.max_running = config.max_running or MAX_RUNNING
        self._weight_bytes = weight_bytes(self.model)

    def _kv_memory(self) -> int:
        """Bytes for KV caches: those of `--kv-memory`, or a share of what is free."""
        given = parse_size(self.config.kv_memory, "kv-memory")
        return given or int(free_on(input_device(self.model)) * KV_SHARE)

    def _completion_of(self, settings: TransformersSettings) -> IsComplete:
        """Whether a beam's hypothesis has met a stop text of the request or of the family."""
        texts = (*settings.stop, *self.stop_texts)
        return StopTexts(self.tokenizer, texts, skip_special_tokens=self.skip_special_tokens)

    def close(self) -> None:
        """End the scheduler's thread, and remove weights that were offloaded to disk."""
        if self.decoders is not None:
            self.decoders.close()
        if self._placement is not None:
            self._placement.close()

    # -- requests --------------------------------------------------------------------------------

    @cached_property
    def _reader(self) -> TokenReader:
        return TokenReader(self.tokenizer)

    def extra_settings(self) -> dict[str, object]:
        """The tokens that end an answer: the checkpoint's, the tokenizer's and `stop_tokens`.

        Raises LoadError for a stop token that the tokenizer does not have.
        """
        ends = self.model.generation_config.eos_token_id
        ids = [] if ends is None else ends if isinstance(ends, list) else [ends]
        if self.tokenizer.eos_token_id is not None:
            ids = [*ids, self.tokenizer.eos_token_id]
        ids = [*ids, *map(self.token_id, self.stop_tokens)]
        return {"stop_token_ids": tuple(dict.fromkeys(ids))}

    def token_id(self, token: str) -> int:
        """The id of a special token. Raises LoadError where the tokenizer does not have it."""
        number = self._reader.token_id(token)
        if number is None:
            raise LoadError(
                f"The tokenizer of {self.config.pretrained_path!r} has no token {token!r}, so it"
                " is not one of this family; choose another with --type."
            )
        return number

    def get_input(self, prompt: str) -> TokenInputs:
        """The prompt's ids; see `adds_special_tokens`."""
        added = self.adds_special_tokens
        return self._inputs(prompt, self.tokenizer.encode(prompt, add_special_tokens=added))

    def input_of_ids(self, token_ids: Sequence[int]) -> TokenInputs:
        """Ids exactly as given. Raises InvalidRequest for one outside the vocabulary."""
        size = self.model.get_input_embeddings().num_embeddings
        if not token_ids or not all(0 <= token < size for token in token_ids):
            raise InvalidRequest(
                f"prompt: token ids must be from 0 to {size - 1}, and at least one.", param="prompt"
            )
        return self._inputs(self.tokenizer.decode(token_ids), list(token_ids))

    def _inputs(self, prompt: str, ids: list[int]) -> TokenInputs:
        if not ids:
            raise InvalidRequest("prompt: it has no tokens.", param="prompt")
        return self._reader.inputs(
            prompt,
            ids,
            skip_special_tokens=self.skip_special_tokens,
            shown=self.reasoning_tags or (),
        )

    def check(self, settings: T) -> None:
        """Refuse log-probabilities with beams, and those of an encoder's prompt."""
        for name in ("logprobs", "prompt_logprobs"):
            if settings.num_beams > 1 and getattr(settings, name) is not None:
                raise InvalidRequest(f"{name}: not together with num_beams over 1.", param=name)
        if settings.prompt_logprobs is not None and self.model.config.is_encoder_decoder:
            raise Unsupported(
                "prompt_logprobs: an encoder-decoder model does not predict its prompt.",
                param="prompt_logprobs",
            )

    def generate(
        self, inputs: Inputs, settings: T, stop: threading.Event
    ) -> Iterator[Step | Pause]:
        """Decode with the decoder that fits the settings."""
        assert inputs.token_ids is not None
        assert self.decoders is not None
        ids, reader = inputs.token_ids, self._reader
        try:
            for output in self.decoders.decode(ids, settings, stop):
                yield output if isinstance(output, Pause) else reader.step(output, ids)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise OutOfMemory(
                    "There is not enough memory for this request: shorten the conversation"
                    " or lower max_new_tokens."
                ) from error
            raise

    def get_response(self, step: Step, inputs: Inputs) -> str:
        """The text that the step's tokens complete."""
        assert isinstance(inputs, TokenInputs)
        assert inputs.detokenizer is not None
        if step.whole:
            inputs.detokenizer.restart()
        return inputs.detokenizer.add(step.token_ids)

    # -- facts -----------------------------------------------------------------------------------

    def info(self) -> BotInfo:
        """What transformers and accelerate made of the checkpoint, and how it decodes."""
        config, files, decoders = self.model.config, self._files, self.decoders
        quantized = getattr(config, "quantization_config", None)
        method = self.checkpoint.quantization_in_use or (
            quantized.quant_method if quantized else None
        )
        how: Literal["merged", "separate"] = "merged" if self.config.merge_adapter else "separate"
        placed = getattr(self.model, "hf_device_map", None) or {"": self.model.device}
        assert decoders is not None
        return BotInfo(
            native_class=type(self.model).__name__,
            device_map={part: str(device) for part, device in placed.items()},
            dtype=str(config.dtype).removeprefix("torch."),
            quantization=str(method) if method else None,
            context_length=context_length(config),
            separate_answer=config.is_encoder_decoder,
            revision=(files.adapter or files.base).revision(),
            base_model=self.config.base_model,
            adapter=how if files.adapter else None,
            engine="sequential" if decoders.obstacle else "continuous_batching",
            engine_reason=decoders.obstacle,
        )

    def memory(self) -> dict[str, int]:
        """Bytes of weights, of KV caches where requests are batched, and the peak."""
        sizes = {
            "weights": self._weight_bytes,
            "cache": None if self.decoders is None else self.decoders.cache_bytes,
            "peak": peak_memory(input_device(self.model)),
        }
        return {kind: size for kind, size in sizes.items() if size is not None}


def context_length(config: Any) -> int | None:
    """Tokens that a model has positions for, or was trained with; None where no field says it.

    `config` is the model's, of transformers.
    """
    text = config.get_text_config()
    names = ("max_position_embeddings", "n_positions")
    length = next((value for name in names if (value := getattr(text, name, None))), None)
    rope = getattr(text, "rope_parameters", None) or {}
    if length is not None and rope.get("rope_type") == "dynamic":
        return int(length * rope["factor"])  # dynamic positions stretch the length by the factor
    return length
