"""A program that answers an activation with 202, prints the operation, and is killed in the middle of the work.

``python dies_while_activating.py URL PREFIX``
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from mt_paas.core.handler import HandlerOptions, ManagedTenantHandler
from mt_paas.core.manager import TenantManager
from mt_paas.standard_api.manifest import Manifest
from mt_paas.standard_api.models import ActivateRequest, Admin
from mt_paas.testing.doubles import FakeService
from sqlalchemy import BigInteger, Column, Identity, MetaData, Table, Text

METADATA = MetaData()
Table("note", METADATA, Column("id", BigInteger, Identity(), primary_key=True), Column("text", Text))
URL, PREFIX = sys.argv[1:]


async def main() -> None:
    given = FakeService(service_id="notes").manifest("http://notes.example").model_dump(mode="json")
    given |= {"version": "2.0", "capabilities": ["async_operations"]}
    given["endpoints"]["operation"] = "/mt/operations/{operation_id}"
    async with TenantManager(URL, service_id="notes", metadata=METADATA, tenant_prefix=PREFIX) as manager:
        isolation, at_work = manager._parts.isolation, asyncio.Event()

        async def create_for_ever(connection: object, tenant: object) -> None:
            at_work.set()
            await asyncio.Event().wait()

        isolation.create = create_for_ever  # type: ignore[method-assign]
        handler = ManagedTenantHandler(manager, Manifest.model_validate(given), HandlerOptions(async_after=0))
        admin = Admin(email="admin@hallym.ac.kr", name="Hong")
        accepted = await handler.activate_tenant(
            ActivateRequest(tenant_id="hallym_univ", tenant_name="Hallym", plan="basic", admin=admin)
        )
        sys.stdout.write(accepted.operation_id)
        sys.stdout.flush()
        await at_work.wait()
        os.kill(os.getpid(), signal.SIGKILL)


asyncio.run(main())
