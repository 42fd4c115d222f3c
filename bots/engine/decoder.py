"""The protocol of all decoders: from the token ids of a prompt to those of its answer.

Three implement it: `scheduler.Scheduler` (continuous batching), `sequential.SequentialDecoder` and
`beam.BeamDecoder`; `decoder_selection.choose_decoders` selects them for a loaded model. Texts,
messages and tokenizers are no part of it.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bots.engine.sampler import Scored
from bots.events import FinishReason
from bots.streaming.pause import Pause


@dataclass(frozen=True, slots=True)
class DecoderOutput:
    """What one decoding step adds to an answer.

    `token_ids`: the new tokens; with `whole` all tokens so far, which replace the earlier ones.
    `scored`: the log-probability of the new token, or of `ended_by`.
    `prompt_scored`: the log-probabilities of the prompt but for its first token; once, with the
    first output after the prefill.
    `finish_reason`: set in the last output of an answer that was not cancelled.
    `cached`: tokens of the prompt that were not computed again; once, in an output of its own.
    `ended_by`: the token that ended the answer. Set only where prompt and answer are both scored:
    programs that score prompts ask for one new token and cut its place off.
    """

    token_ids: tuple[int, ...] = ()
    scored: Scored | None = None
    prompt_scored: list[Scored] | None = None
    finish_reason: FinishReason | None = None
    cached: int = 0
    ended_by: int | None = None
    whole: bool = False


class Decoder(Protocol):
    """Decodes requests on a loaded model."""

    def decode(
        self, prompt: Sequence[int], settings: Any, stop: threading.Event
    ) -> Iterator[DecoderOutput | Pause]:
        """The answer to a prompt of token ids, step by step.

        `settings` is a `TransformersSettings`. Log-probabilities are the model's own, before
        penalties and temperature. A token that ends the answer is not part of it. Ends without a
        finish reason soon after `stop` is set. A decoder that computes in a thread of its own
        yields a `Pause` where it has no output yet. Raises what the model raises.
        """
        ...

    @property
    def cache_bytes(self) -> int | None:
        """Bytes of the KV caches of all requests; None where no decoder state is shared."""
        return None

    def close(self) -> None:
        """End the decoder's thread, if it has one; running requests end as if cancelled."""
        return
