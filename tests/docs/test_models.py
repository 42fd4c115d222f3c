"""docs/models.md compared with the code: its table of families and its example of a format."""

import re

import torch
from transformers import LlamaForCausalLM

from bots.checkpoints.state_dict import as_it_is
from bots.registry.known import MODEL_DICT, MODEL_NAME_TO_MODEL_DICT
from tests.docs.pages import blocks, read

PAGE = read("docs/models.md")
_CODE = re.compile(r"`([^`]+)`")


def families() -> list[list[str]]:
    """The cells of the rows of the first table."""
    section = PAGE.partition("## Families\n")[2].partition("\n## ")[0]
    _, _, *rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_every_family_has_one_row() -> None:
    assert sorted(cells[0] for cells in families()) == sorted(f"`{name}`" for name in MODEL_DICT)


def test_the_ids_are_those_that_are_recognised() -> None:
    """Each id is in the row of its family; options in that column are not ids."""
    said = [
        (one, cells[0].strip("`"))
        for cells in families()
        for one in _CODE.findall(cells[1])
        if not one.startswith("--")
    ]
    assert sorted(said) == sorted(MODEL_NAME_TO_MODEL_DICT.items())


def test_the_format_of_the_page() -> None:
    """Each tensor of its class comes from one of the names that the module knows."""
    [example] = blocks(PAGE, "python")
    assert example.title.startswith("bots/checkpoints/")
    module: dict[str, object] = {}
    exec(compile(example.text, example.title, "exec"), module)
    made, targets = module["native"], module["targets"]
    assert callable(made)
    assert callable(targets)
    config = {"vocab_size": 8, "hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2}
    native = made(config | {"depth": 2})
    assert native.model_class is LlamaForCausalLM
    with torch.device("meta"):
        wanted = set(native.model_class(native.config).state_dict())
    plain = {name for name in wanted if ".layers." not in name}
    stored = {name.replace("model.layers.", "opal.blocks.") for name in wanted - plain}
    stored |= {"opal.words.weight", "opal.final.weight", "head.weight"}
    found = {target: how for name in stored for target, how in targets(name).items()}
    assert found == dict.fromkeys(wanted, as_it_is)
    assert targets("opal.mask") == {}
    assert targets("opal.other") is None
