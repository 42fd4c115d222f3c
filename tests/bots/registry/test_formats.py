"""The table of original formats: every line, what it recognises, and how light it is."""

import subprocess
import sys

import pytest

from bots.json_files import read_json
from bots.registry.formats import FORMATS, TokenizerFiles, all_formats, find_format, load_function
from tests.golden_data import GOLDEN

FOLDERS = {
    "moss": "moss",
    "moss_int4": "moss",
    "chatglm": "chatglm",
    "chatglm_int8": "chatglm",
    "chatglm2": "glm",
    "chatglm3_32k": "glm",
    "internlm2": "internlm2",
}


def test_every_folder_of_a_format_is_in_the_table() -> None:
    from bots.checkpoints import formats

    [root] = formats.__path__
    folders = {path.parent for path in GOLDEN.parent.parent.glob("bots/checkpoints/formats/*/*.py")}
    assert root.endswith("bots/checkpoints/formats")
    assert {name: f"bots.checkpoints.formats.{name}" for name in FORMATS} == FORMATS
    assert sorted(FORMATS) == sorted(folder.name for folder in folders)


@pytest.mark.parametrize(("checkpoint", "name"), FOLDERS.items())
def test_a_config_is_of_one_format(checkpoint: str, name: str) -> None:
    config = read_json(GOLDEN / checkpoint / "config.json")
    found = dict(zip(FORMATS, all_formats(), strict=True))
    assert [one for one, form in found.items() if form.matches(config)] == [name]
    assert find_format(config) is found[name]


@pytest.mark.parametrize("checkpoint", ["llama", "yayi", "t5"])
def test_configs_that_transformers_reads(checkpoint: str) -> None:
    assert find_format(read_json(GOLDEN / checkpoint / "config.json")) is None


def test_functions_that_formats_name_are_there() -> None:
    for one in all_formats():
        if one.weights is not None:
            assert load_function(one.weights).__name__ == "native_model"


def test_the_class_of_a_converted_tokenizer_is_the_originals() -> None:
    declared = {"tokenizer_class": "PreTrainedTokenizerFast", "chatzoo_tokenizer": "MossTokenizer"}
    files = TokenizerFiles(GOLDEN / "moss", {}, declared)
    assert files.tokenizer_class == "MossTokenizer"
    assert files.model_type is None
    assert files.has("vocab.json")
    assert not files.has("nothing.json")


def test_recognising_a_format_imports_no_model_library() -> None:
    code = (
        "import sys; from bots.registry.formats import all_formats; list(all_formats());"
        "print(sorted({'torch', 'transformers', 'tokenizers', 'sentencepiece'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
