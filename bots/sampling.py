"""The sampling settings that bots share, with one name, title and range each.

The transformers engine applies them in `bots/engine/sampler.py`; llama.cpp and OpenAI endpoints
get them as parameters of a request. A setting at its "off" value does not change probabilities.
"""

from bots.settings import BotSettings, control

TEMPERATURE = "How freely the model chooses; 0 always takes the most probable token."
TOP_P = "Choose among the most probable tokens that together have this probability; 1 is off."
SEED = "The same seed gives the same answer; empty is a new one each time."
PRESENCE = "Lowers every token that the answer already has, once; 0 is off."
FREQUENCY = "Lowers a token for every time that the answer already has it; 0 is off."


class SamplingSettings(BotSettings):
    """Settings of sampling and scoring, with the same defaults for a fair comparison of models.

    Temperature 0.7 with top-p 0.9 gives varied and coherent answers for chat models of all sizes;
    the other settings are off.
    """

    temperature: float = control(0.7, "slider", "Temperature", TEMPERATURE, ge=0, le=2, step=0.05)
    top_k: int = control(
        0,
        "number",
        "Top-k",
        "Choose among this many most probable tokens; 0 is off.",
        ge=0,
        le=1_000_000,
        step=1,
    )
    top_p: float = control(0.9, "slider", "Top-p", TOP_P, ge=0, le=1, step=0.01)
    min_p: float = control(
        0.0,
        "slider",
        "Min-p",
        "Drop tokens less probable than this share of the best one's probability; 0 is off.",
        ge=0,
        le=1,
        step=0.01,
    )
    typical_p: float = control(
        1.0,
        "slider",
        "Typical-p",
        "Keep tokens whose surprise is near what is expected, up to this probability; 1 is off.",
        gt=0,
        le=1,
        step=0.01,
    )
    repetition_penalty: float = control(
        1.0,
        "slider",
        "Repetition penalty",
        "Above 1 lowers tokens that prompt or answer already have; 1 is off.",
        ge=0.5,
        le=2,
        step=0.01,
    )
    presence_penalty: float = control(
        0.0, "slider", "Presence penalty", PRESENCE, ge=-2, le=2, step=0.1
    )
    frequency_penalty: float = control(
        0.0, "slider", "Frequency penalty", FREQUENCY, ge=-2, le=2, step=0.1
    )
    seed: int | None = control(None, "number", "Seed", SEED, ge=0, le=2**32 - 2, step=1)
    logprobs: int | None = control(
        None,
        "hidden",
        "Log-probabilities",
        "Give this many most probable tokens at each position.",
        ge=0,
        le=20,
    )
    prompt_logprobs: int | None = control(
        None,
        "hidden",
        "Prompt log-probabilities",
        "Score the prompt's own tokens, with this many candidates each.",
        ge=0,
        le=20,
    )
    ignore_eos: bool = control(
        False, "hidden", "Ignore end", "Go on after the model ends its answer."
    )
