"""Writes the reference pages from the code: ``python docs/generate.py``; ``--check`` only names those that are stale.

A page says what a command line, a settings class, a router, a schema or an error class says of itself, so it is wrong
only where the code is. It takes no database and no network, and the same code gives the same bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from generator.calls import http_page, market_document, needed_permissions, permission_page
from generator.commands import command_page, library_command_page
from generator.errors import error_page
from generator.manifest import manifest_page
from generator.settings import settings_page
from mt_paas.standard_api.published import FOLDER, PUBLISHED, openapi_document

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs/reference"


def main() -> int:
    """Write the pages, or check them; return an exit code."""
    published = {name: write() for name, write in PUBLISHED.items()}
    made = {FOLDER / name: text for name, text in published.items()}
    made |= {REFERENCE / name: text for name, text in [*pages(), *published.items()]}
    found = {path: path.read_text(encoding="utf-8") for folder in (FOLDER, REFERENCE) for path in folder.iterdir()}
    stale = [path for path in sorted(made | found) if made.get(path) != found.get(path)]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what the code says; run: make docs", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(made[path], encoding="utf-8") if path in made else path.unlink()
    return 0


def pages() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every page."""
    market = market_document()
    yield "api.md", http_page("The market's API", market, needed_permissions())
    yield "openapi.json", json.dumps(market, indent=2, ensure_ascii=False) + "\n"
    yield "standard-api.md", http_page("The Standard API", openapi_document(), {})
    yield "cli.md", command_page()
    yield "mt-paas.md", library_command_page()
    yield "settings.md", settings_page()
    yield "manifest.md", manifest_page()
    yield "permissions.md", permission_page()
    yield "errors.md", error_page()


if __name__ == "__main__":
    sys.exit(main())
