"""The zoo files in configs/: every family has one, and each can be read."""

from pathlib import Path

import pytest

from bots.registry.known import MODEL_DICT
from bots.registry.registry import find_bot
from server.hub.zoo import load_zoo

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_preset_is_read_and_its_models_are_of_its_family(file: Path) -> None:
    """Models are chosen, not loaded."""
    zoo = load_zoo(file)
    assert zoo.workers
    if file.stem in MODEL_DICT:
        module, _, _ = str(MODEL_DICT[file.stem]).partition(":")
        for worker in zoo.workers:
            found = find_bot(worker.options.pretrained_path, family=worker.options.type)
            assert str(found).startswith(module)


def test_every_family_has_a_preset() -> None:
    """Families in the same module share a zoo file."""
    modules = {str(spec).partition(":")[0]: name for name, spec in MODEL_DICT.items()}
    there = {
        str(MODEL_DICT[file.stem]).partition(":")[0]
        for file in CONFIGS.glob("*.yaml")
        if file.stem in MODEL_DICT
    }
    own = {module for module in modules if module.startswith("bots.families.")}
    assert own - there == {"bots.families.auto"}
