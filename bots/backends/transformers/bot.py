"""TransformersChatBot: text models of Hugging Face transformers.

Knows how to load a checkpoint onto devices and how to turn the engine's tokens into steps; the
prompt is the business of the families that subclass it. Remote code stays off unless asked for,
pickled weights are read with `weights_only`.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from bots.chatbot import BotInfo, ChatBot, Inputs
from bots.checkpoints.load import ON_LOAD, Checkpoint
from bots.checkpoints.load_errors import is_out_of_memory, loading, progress_bar
from bots.checkpoints.load_tokenizer import load_tokenizer
from bots.checkpoints.placement import Placement, parse_size
from bots.checkpoints.source import ADAPTER_CONFIG, Source
from bots.engine.beam import beam
from bots.engine.detokenizer import Detokenizer
from bots.engine.device import (
    free_on,
    input_device,
    page_out_files,
    peak_memory,
    weight_bytes,
)
from bots.engine.ragged_batch import Packed
from bots.engine.sampler import Scored
from bots.engine.scheduler import Engine
from bots.engine.sequential import Token, decode
from bots.engine.stop_texts import StopTexts
from bots.errors import ConfigError, InvalidRequest, LoadError, OutOfMemory, Unsupported
from bots.events import Step, TokenLogprob, TopLogprob
from bots.json_files import read_json
from bots.layers.prepacked import Half, pack
from bots.sampling import SamplingSettings
from bots.settings import BotConfig, BotSettings, control
from bots.streaming.pause import Pause

MAX_RUNNING = 16
"""Requests that are decoded together, unless the operator says otherwise."""

KV_SHARE = 0.25
"""What keys and values may take of the memory that is free once the model is loaded."""

STOP_SEEN = 0.1
"""Seconds in which a request that waits for another one's beams sees its stop."""


class TransformersSettings(SamplingSettings):
    """What can be set for a transformers model."""

    no_repeat_ngram_size: int = control(
        0, "number", "No repeated n-grams", "No run of this many tokens twice; 0 is off.", ge=0
    )
    min_new_tokens: int = control(
        0, "number", "Min new tokens", "The answer does not end before this many.", ge=0, step=1
    )
    num_beams: int = control(
        1,
        "number",
        "Beams",
        "Follow this many answers at once and take the most probable; 1 is off.",
        ge=1,
        le=16,
        step=1,
    )
    stop_token_ids: tuple[int, ...] = control(
        (), "hidden", "Stop tokens", "Token ids that end the answer; the model sets them."
    )


@dataclass(slots=True)
class TokenInputs(Inputs):
    """A prompt as token ids, and the detokenizer of its answer."""

    detokenizer: Detokenizer | None = None


class TransformersChatBot(ChatBot):
    """A decoder-only language model loaded by transformers."""

    Settings = TransformersSettings
    token_prompts = True
    skip_special_tokens = True
    """Whether special tokens are left out of the answer's text; `reasoning_tags` never are."""

    finite_logits = False
    """Whether logits that are no finite numbers are replaced, for models that give some in half
    precision."""

    adds_special_tokens: ClassVar[bool] = False
    """Whether the tokenizer adds its own special tokens to a prompt: LLaMA's `<s>`, T5's `</s>`."""

    stop_tokens: ClassVar[tuple[str, ...]] = ()
    """Tokens of this family that end an answer beside the checkpoint's own, by name."""

    family: ClassVar[str | None] = None
    """Its key in MODEL_DICT, which decides where a checkpoint's files can be read in two ways."""

    tokenizer: Any
    model: Any
    checkpoint: Checkpoint
    _base: Source
    _adapter: Source | None = None
    _placement: Placement | None = None
    _engine: Engine | None = None
    _weights: int = 0

    def __init__(self, config: BotConfig | None = None) -> None:
        super().__init__(config)
        self._beams = threading.Lock()
        self._names: dict[int, str] = {}

    # -- loading ---------------------------------------------------------------------------------

    def load_tokenizer(self) -> None:
        """The tokenizer beside the model, or at `tokenizer_path`."""
        config, path = self.config, self.config.pretrained_path
        self.progress("tokenizer", None)
        with loading("tokenizer", config.tokenizer_path or path, self.progress):
            named = self._source(path, "pretrained-path")
            self._adapter, self._base = self._told_apart(named)
            folder = self._base.small()
            self.checkpoint = Checkpoint(
                folder,
                self.family,
                name=config.base_model or path,
                trust_remote_code=config.trust_remote_code,
            )
            if config.tokenizer_path:
                folder = self._source(config.tokenizer_path, "tokenizer-path").small()
            self.tokenizer = load_tokenizer(
                folder,
                self.checkpoint.config,
                self.family,
                trust_remote_code=config.trust_remote_code,
            )

    def load_model(self) -> None:
        """The weights, in the dtype and on the devices of the config."""
        path = self.config.pretrained_path
        self.progress("weights", None)
        self._placement = Placement(self.config)
        wanted, native = self.config.quantization, self.checkpoint.native.config
        packed = self.checkpoint.quantized is not None and wanted in ("auto", "gptq")
        half = self._may_halve() and self._placement.halves(native)
        with loading("model", path, self.progress):
            self._base.whole()
            self.model = self.checkpoint.load(
                self.progress,
                wanted,
                tqdm_class=progress_bar(self.progress),
                **self._placement.options(native, quantized=packed, half=half),
            )
            if self._adapter is not None:
                from bots.checkpoints.adapter import put_on  # peft takes seconds to import

                self.progress("adapter", None)
                self.model = put_on(
                    self.model, self._adapter.whole(), merge=self.config.merge_adapter
                )
            self._pack(half=half)
            self._start_engine()
        self._weights = weight_bytes(self.model)

    def _may_halve(self) -> bool:
        """Whether weights are plain, in layers of classes that are known."""
        own = self.checkpoint.config.get("quantization_config")
        quantized = self.checkpoint.quantized or own or self.config.quantization in ON_LOAD
        return not quantized and not self.checkpoint.remote

    def _pack(self, *, half: bool) -> None:
        """Put the weights in the order in which they are multiplied fastest on a CPU."""
        if self._on_disk():
            return
        kind = Half.NO
        if half:
            kind = Half.ROUNDED if self.config.dtype == "float16" else Half.LOSSLESS
        count = pack(self.model, join=not self.model.config.is_encoder_decoder, half=kind)
        if count or self.config.quantization in ON_LOAD:
            page_out_files(self.model)  # which hold the weights a second time
        if half:
            self.model.config.dtype = torch.float16

    def _on_disk(self) -> bool:
        return "disk" in (getattr(self.model, "hf_device_map", None) or {}).values()

    def _start_engine(self) -> None:
        """Decode requests together where the model can be run so; else one after another."""
        if self._on_disk():
            return  # it reads its weights at each pass: it is not tried out
        packed = Packed(self.model)
        if not packed.fits():
            return
        self.max_running = self.config.max_running or MAX_RUNNING
        own = parse_size(self.config.kv_memory, "kv-memory")
        memory = own or int(free_on(packed.device) * KV_SHARE)
        self._engine = Engine(packed, memory, finite=self.finite_logits)

    def close(self) -> None:
        """End the engine, and remove what was put on disk."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None
        if self._placement is not None:
            self._placement.close()

    def _source(self, path: str, option: str) -> Source:
        config = self.config
        return Source(
            path,
            self.progress,
            revision=config.revision if path == config.pretrained_path else None,
            code=config.trust_remote_code,
            option=option,
            tqdm_class=progress_bar(self.progress),
        )

    def _told_apart(self, named: Source) -> tuple[Source | None, Source]:
        """The adapter, if one is named, and the model. Raises ConfigError when one lacks."""
        path, base = self.config.pretrained_path, self.config.base_model
        if not named.is_adapter():
            if base:
                raise ConfigError(
                    f"{path!r} is a whole model and no adapter, so it takes no --base-model.",
                    param="base-model",
                )
            return None, named
        if not base:
            trained_on = read_json(named.small() / ADAPTER_CONFIG).get("base_model_name_or_path")
            raise ConfigError(
                f"{path!r} is an adapter: name its base model with --base-model."
                f" (It was trained on {trained_on!r}.)",
                param="base-model",
            )
        return named, self._source(base, "base-model")

    # -- answering -------------------------------------------------------------------------------

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
        found = self.tokenizer.convert_tokens_to_ids(token)
        if found is None or self.tokenizer.convert_ids_to_tokens(found) != token:
            raise LoadError(
                f"The tokenizer of {self.config.pretrained_path!r} has no token {token!r}, so it"
                " is not one of this family; choose another with --type."
            )
        return int(found)

    def get_input(self, prompt: str) -> TokenInputs:
        """The prompt's ids; see `adds_special_tokens`."""
        added = self.adds_special_tokens
        return self._inputs(prompt, self.tokenizer.encode(prompt, add_special_tokens=added))

    def input_of_ids(self, token_ids: Sequence[int]) -> TokenInputs:
        """Ids exactly as given. Raises InvalidRequest for one outside the vocabulary."""
        size = self.model.get_input_embeddings().num_embeddings
        if not token_ids or not all(0 <= one < size for one in token_ids):
            raise InvalidRequest(
                f"prompt: token ids must be from 0 to {size - 1}, and at least one.", param="prompt"
            )
        return self._inputs(self.tokenizer.decode(token_ids), list(token_ids))

    def _inputs(self, prompt: str, ids: list[int]) -> TokenInputs:
        if not ids:
            raise InvalidRequest("prompt: it has no tokens.", param="prompt")
        reader = Detokenizer(
            self.tokenizer, skip_special_tokens=self.skip_special_tokens, shown=self._tag_ids()
        )
        return TokenInputs(prompt, ids, reader)

    def _tag_ids(self) -> list[int]:
        """The ids of the reasoning tags that are tokens of their own."""
        known = self.tokenizer
        ids = {tag: known.convert_tokens_to_ids(tag) for tag in self.reasoning_tags or ()}
        return [
            one
            for tag, one in ids.items()
            if one is not None and known.convert_ids_to_tokens(one) == tag
        ]

    def check(self, settings: BotSettings) -> None:
        """Beams have no log-probabilities, and an encoder has none of its prompt."""
        assert isinstance(settings, TransformersSettings)
        for name in ("logprobs", "prompt_logprobs"):
            if settings.num_beams > 1 and getattr(settings, name) is not None:
                raise InvalidRequest(f"{name}: not together with num_beams over 1.", param=name)
        if settings.prompt_logprobs is not None and self.model.config.is_encoder_decoder:
            raise Unsupported(
                "prompt_logprobs: an encoder-decoder model does not predict its prompt.",
                param="prompt_logprobs",
            )

    def generate(
        self, inputs: Inputs, settings: BotSettings, stop: threading.Event
    ) -> Iterator[Step | Pause]:
        """Decode on the engine."""
        assert inputs.token_ids is not None
        assert isinstance(settings, TransformersSettings)
        ids, finite = inputs.token_ids, self.finite_logits
        try:
            if settings.num_beams > 1:
                yield from self._beam(ids, settings, stop)
                return
            tokens: Iterator[Token | Pause]
            if self._engine is not None:
                tokens = self._engine.decode(ids, settings, stop)
            else:
                tokens = decode(self.model, ids, settings, stop, finite=finite)
            for token in tokens:
                yield token if isinstance(token, Pause) else self._step(token, ids)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise OutOfMemory(
                    "There is not enough memory for this request: shorten the conversation"
                    " or lower max_new_tokens."
                ) from error
            raise

    def _beam(
        self, ids: Sequence[int], settings: TransformersSettings, stop: threading.Event
    ) -> Iterator[Step]:
        """One request by beams at a time: its random numbers are the process's."""
        texts = (*settings.stop, *self.stop_texts)
        skips = self.skip_special_tokens
        complete = StopTexts(self.tokenizer, texts, skip_special_tokens=skips)
        turns = self._engine.turns if self._engine else None
        while not self._beams.acquire(timeout=STOP_SEEN):
            if stop.is_set():
                return
        try:
            yield from beam(
                self.model,
                ids,
                settings,
                stop,
                finite=self.finite_logits,
                complete=complete,
                turns=turns,
            )
        finally:
            self._beams.release()

    def get_response(self, step: Step, inputs: Inputs) -> str:
        """The text that the step's tokens complete."""
        assert isinstance(inputs, TokenInputs)
        assert inputs.detokenizer is not None
        if step.whole:
            inputs.detokenizer.restart()
        return inputs.detokenizer.add(step.token_ids)

    def _step(self, token: Token, prompt: Sequence[int]) -> Step:
        name = self._name_token
        scored = None
        if token.prompt_scored is not None:
            first = TokenLogprob(prompt[0], name(prompt[0]), None)
            rest = zip(prompt[1:], token.prompt_scored, strict=True)
            scored = (first, *(_logprob(one, score, name) for one, score in rest))
        if token.token_id is None:
            last = token.ended_by
            own = _logprob(last, token.scored, name) if last is not None and token.scored else None
            return Step(
                logprobs=(own,) if own else (),
                prompt_logprobs=scored,
                finish_reason=token.finish_reason,
                cached_tokens=token.cached,
            )
        own = _logprob(token.token_id, token.scored, name) if token.scored else None
        return Step(
            token_ids=(token.token_id,),
            logprobs=(own,) if own else (),
            prompt_logprobs=scored,
            finish_reason=token.finish_reason,
        )

    def _name_token(self, token_id: int) -> str:
        """Its text; kept, for log-probabilities name the same tokens again and again."""
        name = self._names.get(token_id)
        if name is None:
            name = self._names[token_id] = self.tokenizer.decode([token_id])
        return name

    def info(self) -> BotInfo:
        """What transformers and accelerate made of the checkpoint."""
        config = self.model.config
        quantized = getattr(config, "quantization_config", None)
        method = self.checkpoint.runs or (quantized.quant_method if quantized else None)
        how: Literal["merged", "separate"] = "merged" if self.config.merge_adapter else "separate"
        placed = getattr(self.model, "hf_device_map", None) or {"": self.model.device}
        return BotInfo(
            native_class=type(self.model).__name__,
            device_map={part: str(device) for part, device in placed.items()},
            dtype=str(config.dtype).removeprefix("torch."),
            quantization=str(method) if method else None,
            context_length=self._context_length(),
            separate_answer=config.is_encoder_decoder,
            revision=(self._adapter or self._base).revision(),
            base_model=self.config.base_model,
            adapter=how if self._adapter else None,
            engine="sequential" if self._engine is None else "continuous_batching",
        )

    def memory(self) -> dict[str, int]:
        """The weights, keys and values where requests are decoded together, and the peak."""
        engine = self._engine
        held = {
            "weights": self._weights,
            "cache": None if engine is None else engine.nbytes,
            "peak": peak_memory(input_device(self.model)),
        }
        return {kind: size for kind, size in held.items() if size is not None}

    def _context_length(self) -> int | None:
        """Tokens for which the model has positions, or was trained; None where none are named."""
        config = self.model.config.get_text_config()
        names = ("max_position_embeddings", "n_positions")
        length = next((found for name in names if (found := getattr(config, name, None))), None)
        rope = getattr(config, "rope_parameters", None) or {}
        if length is not None and rope.get("rope_type") == "dynamic":
            return int(length * rope["factor"])  # the original length, which grows when it is full
        return length


def _logprob(token_id: int, scored: Scored, name: Callable[[int], str]) -> TokenLogprob:
    own, best = scored
    top = tuple(TopLogprob(one, name(one), logprob) for one, logprob in best)
    return TokenLogprob(token_id, name(token_id), own, top)
