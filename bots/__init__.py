"""The public names for authors of bots and for programs that load one.

Importing them imports no model library.
"""

from bots import errors
from bots.chatbot import ChatBot
from bots.events import Message, Step
from bots.hooks import BotInfo, Inputs
from bots.registry.known import MODEL_DICT, MODEL_NAME_TO_MODEL_DICT
from bots.registry.registry import choose_bot
from bots.settings import BotConfig, BotSettings, control, with_defaults
from bots.turns import Turns

__all__ = [
    "MODEL_DICT",
    "MODEL_NAME_TO_MODEL_DICT",
    "BotConfig",
    "BotInfo",
    "BotSettings",
    "ChatBot",
    "Inputs",
    "Message",
    "Step",
    "Turns",
    "choose_bot",
    "control",
    "errors",
    "with_defaults",
]
