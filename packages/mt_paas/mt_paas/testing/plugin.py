"""The pytest plugin: every fixture of :mod:`mt_paas.testing`, by name. pytest finds it by itself.

``postgres_server`` and ``fresh_database`` give a real PostgreSQL. The others are about the service of the project: the
one that ``mt_paas_service`` in the configuration of pytest names, or that a session fixture ``service`` of the project
returns. ``market`` drives it, ``tenant`` is an active tenant of it, ``conformance_report`` is what the conformance
tester says of it. What no test asks for is not imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from mt_paas.testing.database import fresh_database, postgres_server

if TYPE_CHECKING:
    from mt_paas.conformance import Report
    from mt_paas.testing.market import Market, MarketTenant
    from mt_paas.testing.target import RunningService

__all__ = [
    "conformance_report",
    "fresh_database",
    "market",
    "postgres_server",
    "pytest_addoption",
    "running_service",
    "service",
    "tenant",
]

_HOW = (
    "there is no service to test: name it by mt_paas_service (module:application, or an address) in the configuration "
    "of pytest, or define a session fixture `service` that returns an ASGI application or an address"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what a project may say of its service in the configuration of pytest."""
    parser.addini("mt_paas_service", "the service under test: module:application, or its address", default="")
    parser.addini("mt_paas_key", "the market's key for it; MT_PAAS_KEY in the environment goes before", default="")
    parser.addini("mt_paas_manifest", "the file of its manifest, from the root of the project", default="")


@pytest.fixture(scope="session")
def service(pytestconfig: pytest.Config) -> Any:
    """Return the service under test; a project may define a fixture of this name itself."""
    named = pytestconfig.getini("mt_paas_service")
    if not named:
        raise pytest.UsageError(_HOW)
    return named


@pytest.fixture(scope="session")
def running_service(service: Any, pytestconfig: pytest.Config) -> Iterator[RunningService]:
    """Return the service under test, running, with its address, key and manifest."""
    from mt_paas.testing.target import ServiceUnderTest, running

    key = os.environ.get("MT_PAAS_KEY") or pytestconfig.getini("mt_paas_key")
    manifest = pytestconfig.getini("mt_paas_manifest")
    path = str(pytestconfig.rootpath / manifest) if manifest else ""
    with running(ServiceUnderTest.of(service, key=key, manifest=path)) as found:
        yield found


@pytest.fixture
def market(running_service: RunningService) -> Iterator[Market]:
    """Return a market with the service under test; the tenants that it makes are removed after the test."""
    from mt_paas.testing.market import Market

    made = Market(running_service)
    yield made
    made.remove_all()


@pytest.fixture
def tenant(market: Market) -> MarketTenant:
    """Return an active tenant of the service under test, removed after the test."""
    return market.activate()


@pytest.fixture(scope="session")
def conformance_report(running_service: RunningService) -> Report:
    """Return what the conformance tester finds in the service under test: all checks, once for the session."""
    from mt_paas.conformance import run

    found = running_service
    return found.loop.run(run(found.url, found.key, manifest=found.document))
