"""A client in Go, made by openapi-generator from the published document and nothing else, on Go's standard library.

It is generated, compiled, and drives a tenant's whole life (``go/main.go``). The first time Go compiles its standard
library too, for half a minute; what it made is kept beside the tools.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.contract.tools import HERE, TOOLS, ToolFailed, go, openapi_generator, run

OPTIONS = {
    "packageName": "standardapi",
    "withGoMod": "false",  # it is a folder of the program here
    "enumClassPrefix": "true",  # without it two enumerations that share a word do not compile
    "disallowAdditionalPropertiesIfNotPresent": "false",  # unknown fields are ignored, as JSON Schema has it
}
ONLY_CODE = "apiTests=false,modelTests=false,apiDocs=false,modelDocs=false"


@pytest.fixture(scope="module")
def client(tmp_path_factory, document) -> Path:
    """Return the program that drives the client."""
    folder = tmp_path_factory.mktemp("go")
    shutil.copytree(HERE / "go", folder, dirs_exist_ok=True)
    options = ",".join(f"{name}={value}" for name, value in OPTIONS.items())
    how = ("--additional-properties", options, "--global-property", ONLY_CODE)
    run(*openapi_generator(), "generate", "-g", "go", "-i", document, "-o", folder / "standardapi", *how)
    run(go(), "build", "-o", "lifecycle", ".", cwd=folder, environment={"GOCACHE": str(TOOLS / "go-cache")})
    return folder / "lifecycle"


@pytest.mark.timeout(300)
async def test_it_drives_a_tenant_from_its_activation_to_its_end(client, service):
    life = client, service.url, service.key, "hallym_univ"

    said = await asyncio.to_thread(run, *life)
    with pytest.raises(ToolFailed, match="activate: 410"):  # the id is not given out again: it can tell
        await asyncio.to_thread(run, *life)

    assert said.splitlines()[0] == "health: 200"
    assert said.splitlines()[-1] == "activate the purged: 410 tenant_purged"
