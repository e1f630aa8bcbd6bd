"""What the tests of the contract share: a request, a service in memory, and clients that call it over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from mt_paas.standard_api import (
    ActivateRequest,
    AddressPolicy,
    Admin,
    DeactivateReason,
    DeactivateRequest,
    StandardAPIClient,
    TenantConfig,
)
from mt_paas.testing.doubles import FakeService, serve


@pytest.fixture
def activation() -> ActivateRequest:
    return ActivateRequest(
        tenant_id="hallym_univ",
        tenant_name="한림대학교",
        plan="premium",
        features=["ai_chat", "rag"],
        config=TenantConfig(max_users=500, storage_limit_gb=100.0),
        admin=Admin(email="admin@hallym.ac.kr", name="홍길동"),
    )


@pytest.fixture
def deactivation() -> DeactivateRequest:
    return DeactivateRequest(reason=DeactivateReason.ADMIN_REQUEST, preserve_data=True)


@pytest.fixture
def loopback() -> AddressPolicy:
    return AddressPolicy(allow=["127.0.0.0/8"])


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
async def base_url(service: FakeService) -> AsyncIterator[str]:
    async with serve(service) as url:
        yield url


@pytest.fixture
async def client(service: FakeService, base_url: str, loopback: AddressPolicy) -> AsyncIterator[StandardAPIClient]:
    async with StandardAPIClient(service.manifest(base_url), service.api_key, addresses=loopback) as client:
        yield client


@pytest.fixture
def make_client(service: FakeService, base_url: str, loopback: AddressPolicy) -> Callable[..., StandardAPIClient]:
    """Return a client of ``service``, with options of one's own; the test closes it."""

    def make(**options) -> StandardAPIClient:
        options = {"addresses": loopback, "api_key": service.api_key} | options
        return StandardAPIClient(service.manifest(base_url), **options)

    return make
