"""The tables of families and of model ids."""

from bots.chatbot import ChatBot
from bots.registry.importing import load_class
from bots.registry.known import MODEL_DICT, MODEL_NAME_TO_MODEL_DICT
from bots.registry.registry import family_of


def test_every_family_can_be_imported() -> None:
    for spec in MODEL_DICT.values():
        assert issubclass(load_class(str(spec)), ChatBot)


def test_every_known_id_belongs_to_a_family_and_is_recognised() -> None:
    for name, family in MODEL_NAME_TO_MODEL_DICT.items():
        assert family in MODEL_DICT
        assert family_of(name) == family
