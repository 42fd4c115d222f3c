"""TransformersChatBot: text models of Hugging Face transformers.

Knows how to load a checkpoint onto devices and how to turn the engine's tokens into steps; the
prompt is the business of the families that subclass it. Remote code stays off unless asked for,
pickled weights are read with `weights_only`.
"""

import pickle
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError
from tqdm.auto import tqdm
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from bots import builtin
from bots.chatbot import BotInfo, ChatBot, Inputs
from bots.engine.beam import beam
from bots.engine.decode import Token, decode
from bots.engine.detokenizer import Detokenizer
from bots.engine.sampler import Scored
from bots.errors import ConfigError, InvalidRequest, LoadError, OutOfMemory, Unsupported
from bots.events import Step, TokenLogprob, TopLogprob
from bots.sampling import SamplingSettings
from bots.settings import BotSettings, control

MAX_REASON = 600
"""Characters of a library's message that are shown: some list whole tables."""

_LOADING_FAILS = (
    OSError,
    ValueError,
    KeyError,
    ImportError,
    RuntimeError,
    EOFError,
    pickle.UnpicklingError,
    SafetensorError,
)
"""What transformers raises for files that are missing, cut, of another kind or too large."""


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
    prompt_logprobs: int | None = control(
        None,
        "hidden",
        "Prompt log-probabilities",
        "Score the prompt's own tokens, with this many candidates each.",
        ge=0,
        le=20,
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
    model_class: Any = AutoModelForCausalLM
    skip_special_tokens = True
    """Whether special tokens are left out of the answer's text; `reasoning_tags` never are."""

    finite_logits = False
    """Whether logits that are no finite numbers are replaced, for models that give some in half
    precision."""

    adds_special_tokens: ClassVar[bool] = False
    """Whether the tokenizer adds its own special tokens to a prompt: LLaMA's `<s>`, T5's `</s>`."""

    stop_tokens: ClassVar[tuple[str, ...]] = ()
    """Tokens of this family that end an answer beside the checkpoint's own, by name."""

    tokenizer: Any
    model: Any

    # -- loading ---------------------------------------------------------------------------------

    def load_tokenizer(self) -> None:
        """The tokenizer beside the model, or at `tokenizer_path`."""
        self._check_config()
        path = self.config.tokenizer_path or self.config.pretrained_path
        local = builtin.resolve(path, self.progress)
        self.progress("tokenizer", None)
        with self._told("tokenizer", path):
            self.tokenizer = AutoTokenizer.from_pretrained(local, **self._hub_options())

    def load_model(self) -> None:
        """The weights, in the dtype and on the devices of the config."""
        path = self.config.pretrained_path
        local = builtin.resolve(path, self.progress)
        self.progress("weights", None)
        with self._told("model", path):
            config = AutoConfig.from_pretrained(local, **self._hub_options())
            self.model = self.model_class.from_pretrained(
                local,
                config=config,
                dtype=self._dtype(config),
                device_map=self._device_map(),
                max_memory=self._max_memory(),
                weights_only=True,
                tqdm_class=self._bar(),
                **self._hub_options(),
            )
        self.model.eval()

    def _check_config(self) -> None:
        """Raises ConfigError for what cannot work, before anything is fetched."""
        if self.config.base_model:
            raise ConfigError(
                "Adapters on a base model (--base-model) are not supported yet: merge the adapter"
                " into its base, and serve the result.",
                param="base-model",
            )
        folder = Path(self.config.pretrained_path)
        if folder.is_dir() and not (folder / "config.json").is_file():
            raise ConfigError(
                f"{str(folder)!r} is a folder without config.json, so it holds no model.",
                param="pretrained-path",
            )

    def _hub_options(self) -> dict[str, Any]:
        # False, not None: None asks on standard input, and a worker would wait for ever.
        return {
            "trust_remote_code": self.config.trust_remote_code,
            "revision": self.config.revision or "main",
        }

    def _dtype(self, config: Any) -> torch.dtype:
        stored = getattr(config.get_text_config(), "dtype", None) or torch.float32
        chosen = stored if self.config.dtype == "auto" else getattr(torch, self.config.dtype)
        if chosen == torch.float16 and not self._gpus():
            warnings.warn("float16 is slow and coarse on a CPU: using float32", stacklevel=2)
            return torch.float32
        assert isinstance(chosen, torch.dtype)
        return chosen

    def _gpus(self) -> list[int]:
        """The GPUs to use. Raises LoadError for one that is not there."""
        there = torch.cuda.device_count() if torch.cuda.is_available() else 0
        wanted = self.config.devices
        if wanted in ("auto", "cpu"):
            return list(range(there)) if wanted == "auto" else []
        try:
            numbers = [int(part.removeprefix("cuda:")) for part in wanted.split(",")]
        except ValueError:
            raise LoadError(
                f"devices: {wanted!r} is none of auto, cpu, or GPU numbers such as 0,1.",
                param="devices",
            ) from None
        if missing := [number for number in numbers if number not in range(there)]:
            raise LoadError(
                f"devices: there is no GPU {missing[0]}; this machine has {there}.", param="devices"
            )
        return numbers

    def _device_map(self) -> str | dict[str, Any]:
        gpus = self._gpus()
        if not gpus:
            return {"": "cpu"}
        return {"": gpus[0]} if len(gpus) == 1 and self.config.devices != "auto" else "auto"

    def _max_memory(self) -> dict[int | str, int] | None:
        """Memory for accelerate to fill, when only some GPUs may be used; None is all there is."""
        gpus = self._gpus()
        if self.config.devices in ("auto", "cpu") or len(gpus) < 2:
            return None
        from accelerate.utils import get_max_memory

        every: dict[int | str, int] = get_max_memory()
        return {where: size for where, size in every.items() if where in gpus or where == "cpu"}

    @contextmanager
    def _told(self, what: str, path: str) -> Iterator[None]:
        """Show loading as this bot's progress, and its failures as one LoadError."""
        previous = transformers_logging.set_tqdm_hook(lambda _, args, kw: self._bar()(*args, **kw))
        try:
            yield
        except _LOADING_FAILS as error:
            if _is_out_of_memory(error):
                raise LoadError(f"There is not enough memory for {path!r}.") from error
            reason = " ".join(str(error).split())[:MAX_REASON]
            raise LoadError(f"Cannot load the {what} of {path!r}: {reason}") from error
        finally:
            transformers_logging.set_tqdm_hook(previous)

    def _bar(self) -> type[tqdm]:
        """A progress bar that draws nothing and tells `self.progress`."""
        return _watched(self.progress)

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
        if found is None or found == self.tokenizer.unk_token_id:
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
    ) -> Iterator[Step]:
        """Decode on the engine."""
        assert inputs.token_ids is not None
        assert isinstance(settings, TransformersSettings)
        ids, finite = inputs.token_ids, self.finite_logits
        try:
            if settings.num_beams > 1:
                yield from beam(self.model, ids, settings, stop, finite=finite)
                return
            for token in decode(self.model, ids, settings, stop, finite=finite):
                yield self._step(token, ids)
        except RuntimeError as error:
            if _is_out_of_memory(error):
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

    def _step(self, token: Token, prompt: Sequence[int]) -> Step:
        name = self._name_token
        scored = None
        if token.prompt_scored is not None:
            first = TokenLogprob(prompt[0], name(prompt[0]), None)
            rest = zip(prompt[1:], token.prompt_scored, strict=True)
            scored = (first, *(_logprob(one, score, name) for one, score in rest))
        if token.token_id is None:
            return Step(prompt_logprobs=scored, finish_reason=token.finish_reason)
        own = _logprob(token.token_id, token.scored, name) if token.scored else None
        return Step(
            token_ids=(token.token_id,),
            logprobs=(own,) if own else (),
            prompt_logprobs=scored,
            finish_reason=token.finish_reason,
        )

    def _name_token(self, token_id: int) -> str:
        text: str = self.tokenizer.decode([token_id])
        return text

    def info(self) -> BotInfo:
        """What transformers and accelerate made of the checkpoint."""
        config = self.model.config
        quantised = getattr(config, "quantization_config", None)
        placed = getattr(self.model, "hf_device_map", None) or {"": self.model.device}
        return BotInfo(
            native_class=type(self.model).__name__,
            device_map={part: str(device) for part, device in placed.items()},
            dtype=str(self.model.dtype).removeprefix("torch."),
            quantization=str(quantised.quant_method) if quantised else None,
            context_length=self._context_length(),
            separate_answer=config.is_encoder_decoder,
            revision=getattr(config, "_commit_hash", None),
        )

    def _context_length(self) -> int | None:
        """Tokens for which the model has positions, or was trained; None where none are named."""
        config = self.model.config.get_text_config()
        names = ("max_position_embeddings", "n_positions")
        return next((found for name in names if (found := getattr(config, name, None))), None)


def _logprob(token_id: int, scored: Scored, name: Callable[[int], str]) -> TokenLogprob:
    own, best = scored
    top = tuple(TopLogprob(one, name(one), logprob) for one, logprob in best)
    return TokenLogprob(token_id, name(token_id), own, top)


def _is_out_of_memory(error: BaseException) -> bool:
    # A full GPU has a class of its own; a full CPU is a RuntimeError with this text.
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _watched(report: Callable[[str, float | None], None]) -> type[tqdm]:
    class Watched(tqdm):  # type: ignore[misc]
        """tqdm without a terminal."""

        monitor_interval = 0  # no thread of tqdm's own

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)  # huggingface_hub's own
            super().__init__(*args, **{**kwargs, "disable": False})

        def display(self, *args: Any, **kwargs: Any) -> None:
            """Report and draw nothing."""
            done = self.n / self.total if self.total else None
            report((self.desc or "loading").rstrip(": ").lower(), done)

        def close(self) -> None:
            """Report the end, which may have come sooner than the next drawing."""
            if not self.disable:
                self.display()
            self.disable: bool = True

    return Watched
