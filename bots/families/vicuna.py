"""Chinese-Vicuna (https://github.com/Facico/Chinese-Vicuna): LoRA adapters on LLaMA-7B."""

from collections.abc import Sequence
from typing import Literal

from bots.backends.transformers import TransformersChatBot, TransformersSettings
from bots.events import Message
from bots.settings import control, with_defaults
from bots.turns import Turns

CHAT = (
    "The following is a conversation between an AI assistant called Assistant and a human user"
    " called User. The assistant is intelligent, knowledgeable and polite to answer questions of"
    " user."
)
INSTRUCT = (
    "Below is an instruction that describes a task. Write a response that appropriately completes"
    " the request."
)
INSTRUCT_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further"
    " context. Write a response that appropriately completes the request."
)


class VicunaSettings(TransformersSettings):
    """Sampling settings, the prompt type and its input."""

    prompt_type: Literal["chat", "instruct"] = control(
        "chat", "select", "Prompt type", "What the adapter was trained with."
    )
    do_sample: bool = control(
        False,
        "switch",
        "Sample",
        "Draw tokens by temperature; off takes the most probable, of all beams where there are"
        " several.",
    )
    input: str = control(
        "",
        "text",
        "Input",
        "Further context of the instruction; for the prompt type instruct.",
        max_length=100_000,
    )


class VicunaBot(TransformersChatBot[VicunaSettings]):
    """Chinese-Vicuna, with the defaults of the prompt type chat.

    A system message replaces the introduction.
    """

    family = "vicuna"
    Settings = with_defaults(
        VicunaSettings,
        num_beams=4,
        min_new_tokens=5,
        temperature=1.0,
        top_p=0.9,
        top_k=60,
        repetition_penalty=2.0,
        max_new_tokens=256,
    )
    stop_texts = ("\n\nUser:", "\n\nAssistant:")
    adds_special_tokens = True
    trims_history = True

    def get_prompt(self, messages: Sequence[Message], settings: VicunaSettings) -> str:
        """The conversation, for the prompt type instruct inside an instruction."""
        turns = Turns.of(messages)
        history = "".join(f"User:{q}\n\nAssistant:{a}\n\n" for q, a in turns.history)
        chat = f"{history}User:{turns.question}\n\nAssistant:"
        if settings.prompt_type == "chat":
            return f"{CHAT if turns.system is None else turns.system}\n\n{chat}"
        own = INSTRUCT_WITH_INPUT if settings.input else INSTRUCT
        intro = own if turns.system is None else turns.system
        instruction = chat if history else turns.question
        extra = f"### Input:\n{settings.input}\n\n" if settings.input else ""
        return f"{intro}\n\n### Instruction:\n{instruction}\n\n{extra}### Response:"

    def settle(self, settings: VicunaSettings) -> VicunaSettings:
        """Temperature 0 without `do_sample`: greedy, or beam search where there are beams."""
        if settings.do_sample:
            return settings
        return settings.model_copy(update={"temperature": 0.0})

    def process_response(self, text: str) -> str:
        """The answer without surrounding white space."""
        return text.strip()


class VicunaInstructBot(VicunaBot):
    """Chinese-Vicuna, with the defaults of the prompt type instruct."""

    Settings = with_defaults(
        VicunaBot.Settings,
        prompt_type="instruct",
        temperature=0.1,
        top_p=0.75,
        top_k=40,
        min_new_tokens=1,
    )
