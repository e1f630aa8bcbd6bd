"""Names that a package loads when they are first asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

PACKAGE = """
from mt_paas.utils.lazy import lazy

__all__ = ["Apple", "pears", "plum"]

plum = "plum"
__getattr__, __dir__ = lazy(__name__, {"orchard.apples": ["Apple"]}, modules=["pears"])
"""


@pytest.fixture
def python(tmp_path):
    """Run code in a process of its own, where a package ``orchard`` can be imported."""
    (tmp_path / "orchard").mkdir()
    (tmp_path / "orchard/__init__.py").write_text(PACKAGE)
    (tmp_path / "orchard/apples.py").write_text("class Apple:\n    seeds = 5\n\nhidden = 1\n")
    (tmp_path / "orchard/pears.py").write_text("ripe = True\n")

    def run(code):
        script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import orchard\n{code}"
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]

    return run


def test_a_name_loads_its_home_and_no_other(python):
    loaded = "print(orchard.Apple.seeds, *(name for name in sorted(sys.modules) if name.startswith('orchard.')))"
    assert python(loaded) == "5 orchard.apples"


def test_nothing_is_loaded_before(python):
    assert python("print([name for name in sys.modules if name.startswith('orchard.')])") == "[]"


def test_a_module_of_the_package_is_a_name_too(python):
    assert python("print(orchard.pears.ripe)") == "True"


def test_a_name_can_be_imported_from_the_package(python):
    assert python("from orchard import Apple, pears; print(Apple.__name__)") == "Apple"


@pytest.mark.parametrize("name", ["hidden", "apple"])
def test_another_name_is_not_there(python, name):
    assert python(f"orchard.{name}").startswith(f"AttributeError: module 'orchard' has no attribute '{name}'")


def test_what_dir_lists_is_what_is_public(python):
    assert python("print(dir(orchard))") == "['Apple', 'pears', 'plum']"
