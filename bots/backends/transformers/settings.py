"""The settings of a request to a transformers model."""

from typing import Any

from typing_extensions import TypeVar

from bots.sampling import SamplingSettings
from bots.settings import control


class TransformersSettings(SamplingSettings):
    """Sampling settings, and those that our decoders add to them."""

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


T = TypeVar("T", bound=TransformersSettings, default=Any)
"""The settings of one family; see `bots.settings.S`."""
