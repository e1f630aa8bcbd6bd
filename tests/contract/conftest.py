"""The two services as they are run, for the tools of others; and the published document."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mt_paas.testing.tenants import drop_registry

from tests.e2e.processes import RunningService

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def document() -> Path:
    """Return the published OpenAPI document of the contract."""
    return ROOT / "docs/reference/standard-api.openapi.json"


@pytest.fixture(params=["sample_service", "plain_service"])
async def service(request, tmp_path, fresh_database) -> AsyncIterator[RunningService]:
    """Return a service that answers: the one on mt_paas, then the one on the contract alone."""
    running = RunningService(request.param, tmp_path, fresh_database, f"t{secrets.token_hex(3)}_")
    with running.process:
        await running.ready()
        yield running
    drop_registry(fresh_database)
