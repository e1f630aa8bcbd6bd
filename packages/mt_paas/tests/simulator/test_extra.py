"""Without its extra the simulator says which one to install, and does nothing."""

from __future__ import annotations

import subprocess
import sys

WITHOUT = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"starlette", "uvicorn"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Block())
from mt_paas.cli import main

sys.argv = ["mt-paas", "simulate", "--target", "http://127.0.0.1:1", "--key", "the-key"]
main()
"""


class TestWithoutTheExtra:
    def test_the_command_says_which_one_is_missing(self):
        done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert 'pip install "mt-paas[simulator]"' in done.stderr
        assert "Traceback" not in done.stderr
