"""Between token ids and what people see: ids and names of tokens, texts, log-probabilities."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from bots.engine.decoder import DecoderOutput
from bots.engine.detokenizer import Detokenizer
from bots.engine.sampler import Scored
from bots.events import Step, TokenLogprob, TopLogprob
from bots.hooks import Inputs


@dataclass(slots=True)
class TokenInputs(Inputs):
    """A prompt as token ids, and the detokenizer of its answer."""

    detokenizer: Detokenizer | None = None


class TokenReader:
    """Reads tokens with `tokenizer`, one of transformers'. Safe for threads."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        # Kept, because log-probabilities name the same tokens again and again, and they are named
        # in the scheduler's thread, where all requests wait.
        self._names: dict[int, str] = {}

    def token_id(self, token: str) -> int | None:
        """The id of a token by its name, such as `</s>`; None where the tokenizer lacks it."""
        number = self._tokenizer.convert_tokens_to_ids(token)
        # Tokenizers give the id of the unknown token for a name that they lack.
        if number is None or self._tokenizer.convert_ids_to_tokens(number) != token:
            return None
        return int(number)

    def name(self, token_id: int) -> str:
        """The text of one token alone."""
        name = self._names.get(token_id)
        if name is None:
            name = self._names[token_id] = self._tokenizer.decode([token_id])
        return name

    def inputs(
        self,
        prompt: str,
        ids: list[int],
        *,
        skip_special_tokens: bool,
        shown: Collection[str] = (),
    ) -> TokenInputs:
        """A prompt with a detokenizer for its answer, in which the tokens `shown` are text."""
        numbers = (self.token_id(token) for token in shown)
        detokenizer = Detokenizer(
            self._tokenizer,
            skip_special_tokens=skip_special_tokens,
            shown=[number for number in numbers if number is not None],
        )
        return TokenInputs(prompt, ids, detokenizer)

    def step(self, output: DecoderOutput, prompt: Sequence[int]) -> Step:
        """A decoder's output as a step of `ChatBot.generate`, its log-probabilities with names.

        The first token of `prompt` has no log-probability, because nothing predicts it.
        """
        logprobs: tuple[TokenLogprob, ...] = ()
        if output.scored is not None:
            token = output.token_ids[0] if output.ended_by is None else output.ended_by
            logprobs = (self._logprob(token, output.scored),)
        prompt_logprobs = None
        if output.prompt_scored is not None:
            first = TokenLogprob(prompt[0], self.name(prompt[0]), None)
            rest = zip(prompt[1:], output.prompt_scored, strict=True)
            prompt_logprobs = (first, *(self._logprob(token, scored) for token, scored in rest))
        return Step(
            token_ids=output.token_ids,
            logprobs=logprobs,
            prompt_logprobs=prompt_logprobs,
            finish_reason=output.finish_reason,
            cached_tokens=output.cached,
            whole=output.whole,
        )

    def _logprob(self, token_id: int, scored: Scored) -> TokenLogprob:
        token_logprob, best = scored
        top = tuple(TopLogprob(token, self.name(token), logprob) for token, logprob in best)
        return TokenLogprob(token_id, self.name(token_id), token_logprob, top)
