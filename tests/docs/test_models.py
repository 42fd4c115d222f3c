"""docs/models.md compared with the code: its table of families and its example of a format."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

from bots.checkpoints.load import Checkpoint
from bots.errors import LoadError
from bots.registry.formats import FORMATS
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


CONFIG = {
    "model_type": "opal",
    "vocab_size": 8,
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_attention_heads": 2,
    "depth": 2,
}


@pytest.fixture
def opal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's format installed in a temporary package, and the folder of a checkpoint of it."""
    line, *files = blocks(PAGE, "python")
    [(name, module)] = eval(f"{{{line.text}}}").items()
    package = tmp_path / "packages" / name
    package.mkdir(parents=True)
    for file in files:
        folder = f"{module.replace('.', '/')}/"
        assert file.title.startswith(folder)
        (package / file.title.removeprefix(folder)).write_text(file.text, "utf-8")
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setitem(FORMATS, name, name)
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    return checkpoint


def test_the_format_of_the_page_loads_a_checkpoint(opal: Path) -> None:
    """One folder and one line: the model computes what the same LLaMA computes."""
    native = Checkpoint(opal).native
    assert native.model_class is LlamaForCausalLM
    torch.manual_seed(0)
    llama = LlamaForCausalLM(native.config).eval()
    names = {
        "model.embed_tokens.weight": "opal.words.weight",
        "model.norm.weight": "opal.final.weight",
        "lm_head.weight": "head.weight",
    }
    tensors = {
        names.get(name, name.replace("model.layers.", "opal.blocks.")): tensor
        for name, tensor in llama.state_dict().items()
    }
    save_file(tensors | {"opal.mask": torch.ones(2, 2)}, opal / "model.safetensors")
    loaded = Checkpoint(opal).load(dtype=torch.float32, device_map={"": "cpu"})
    ids = torch.arange(8)[None]
    with torch.inference_mode():
        assert torch.equal(loaded(ids).logits, llama(ids).logits)


def test_a_tensor_that_the_format_of_the_page_does_not_know(opal: Path) -> None:
    save_file({"opal.other": torch.ones(2)}, opal / "model.safetensors")
    with pytest.raises(LoadError, match=r"opal\.other"):
        Checkpoint(opal).load(dtype=torch.float32, device_map={"": "cpu"})
