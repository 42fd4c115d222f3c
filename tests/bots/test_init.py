"""The public surface of `bots`."""

import subprocess
import sys
from types import ModuleType

import bots


def test_all_is_sorted_and_complete() -> None:
    """Each public name of the package is in `__all__`, but for its submodules."""
    # As ruff sorts: constants, then classes, then functions and modules.
    by_kind = sorted(bots.__all__, key=lambda name: (not name.isupper(), name.islower(), name))
    assert bots.__all__ == by_kind
    public = {
        name
        for name, value in vars(bots).items()
        if not name.startswith("_") and (not isinstance(value, ModuleType) or name == "errors")
    }
    assert public == set(bots.__all__)


def test_importing_bots_imports_no_model_library() -> None:
    libraries = {"torch", "transformers", "xllamacpp", "sympy"}
    code = f"import sys, bots; print({{*sys.modules}} & {libraries})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_public_name_has_a_docstring_or_is_data() -> None:
    for name in bots.__all__:
        value = getattr(bots, name)
        assert isinstance(value, dict) or value.__doc__
