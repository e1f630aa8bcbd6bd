"""A client in TypeScript, made by a public generator from the published document and nothing else.

It is generated, checked by the compiler under ``strict``, and drives a tenant's whole life (``node/src/lifecycle.ts``).
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.contract.tools import HERE, NODE_PACKAGES, ToolFailed, node, node_program, run


@pytest.fixture(scope="module")
def client(tmp_path_factory, document) -> Path:
    """Return the folder of the client and of what drives it, compiled."""
    folder = tmp_path_factory.mktemp("typescript")
    for name in ("tsconfig.json", "openapi-ts.config.mjs", "package.json"):
        shutil.copy(HERE / "node" / name, folder)
    shutil.copytree(HERE / "node" / "src", folder / "src")
    (folder / "node_modules").symlink_to(NODE_PACKAGES / "node_modules")
    run(*node_program("openapi-ts"), "-f", "openapi-ts.config.mjs", "-i", document, cwd=folder)
    run(*node_program("tsc"), "--project", ".", cwd=folder)
    return folder / "out"


async def test_it_drives_a_tenant_from_its_activation_to_its_end(client, service):
    life = node(), client / "lifecycle.js", service.url, service.key, "hallym_univ"

    said = await asyncio.to_thread(run, *life)
    with pytest.raises(ToolFailed, match="activate: 410"):  # the id is not given out again: it can tell
        await asyncio.to_thread(run, *life)

    assert said.splitlines()[0] == "health: 200"
    assert said.splitlines()[-1] == "activate the purged: 410 tenant_purged"
