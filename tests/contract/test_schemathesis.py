"""schemathesis against both services: calls that the OpenAPI document allows, and calls that it forbids.

All of its checks, in all of its phases (examples, boundaries, random calls, and sequences of calls along the document's
links), the same calls in every run. ``schemathesis/schemathesis.toml`` says how many.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from plain_service.contract import PLANS

from tests.contract.tools import HERE, program, run


@pytest.mark.timeout(300)
async def test_finds_nothing(service, document, tmp_path):
    described = f"{service.url}/openapi.json"
    if service.name == "plain_service":  # it serves no document of its own
        described = tmp_path / "openapi.json"
        described.write_text(json.dumps(of_version_1(json.loads(document.read_text(encoding="utf-8")))))
    schemathesis = (program("schemathesis"), "--config-file", HERE / "schemathesis" / "schemathesis.toml")
    key = f"X-Market-API-Key: {service.key}"
    call = ("run", described, "--url", service.url, "--header", key, "--include-operation-id-regex", "^mt_")
    environment = {"PYTHONPATH": str(HERE / "schemathesis")}

    said = await asyncio.to_thread(run, *schemathesis, *call, cwd=tmp_path, environment=environment)

    assert [name for name in ("Examples", "Coverage", "Fuzzing", "Stateful") if f"✅ {name}\n" not in said] == []


def of_version_1(document: dict[str, Any]) -> dict[str, Any]:
    """Return what plain_service does of the whole contract, as mt_paas says it of a service by its manifest."""
    calls = ("health", "tenant/{tenant_id}/activate", "tenant/{tenant_id}/deactivate")
    calls += ("tenant/{tenant_id}/status", "tenant/{tenant_id}/usage")
    parts = document["components"]
    parts["parameters"]["X-MT-API-Version"]["schema"]["enum"] = ["1"]
    activation = parts["schemas"]["ActivateRequest"]["properties"]
    activation["plan"] = {"enum": list(PLANS)}
    del activation["callback"]  # belongs to an extension: here a field that nobody knows, and ignored
    paths = {f"/mt/{call}": document["paths"][f"/mt/{call}"] for call in calls}
    known = {each["operationId"] for ways in paths.values() for each in ways.values()}
    for answer in (
        answer for ways in paths.values() for each in ways.values() for answer in each["responses"].values()
    ):
        if "links" in answer:
            answer["links"] = {name: to for name, to in answer["links"].items() if to["operationId"] in known}
    return document | {"paths": paths}
