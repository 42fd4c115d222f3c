"""The zoo files in configs/: every family has one, and each is valid."""

from pathlib import Path

import pytest

from bots.registry.known import MODEL_DICT
from bots.registry.registry import find_bot
from server.hub.zoo import load_zoo

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_zoo_file_is_valid_and_its_models_are_of_its_family(file: Path) -> None:
    """The bots' classes are found by name; no model is loaded."""
    zoo = load_zoo(file)
    assert zoo.workers
    if file.stem in MODEL_DICT:
        module, _, _ = str(MODEL_DICT[file.stem]).partition(":")
        for worker in zoo.workers:
            spec = find_bot(worker.options.pretrained_path, family=worker.options.type)
            assert str(spec).startswith(module)


def test_every_family_has_a_zoo_file() -> None:
    """Families in the same module share a zoo file."""
    modules = {str(spec).partition(":")[0]: name for name, spec in MODEL_DICT.items()}
    with_file = {
        str(MODEL_DICT[file.stem]).partition(":")[0]
        for file in CONFIGS.glob("*.yaml")
        if file.stem in MODEL_DICT
    }
    families = {module for module in modules if module.startswith("bots.families.")}
    assert families - with_file == {"bots.families.auto"}
