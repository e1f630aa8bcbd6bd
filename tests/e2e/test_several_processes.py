"""Two API processes and two workers on one PostgreSQL server: each thing is done once, whoever dies."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count

import pytest
import pytest_asyncio
from mt_paas.postgres import PostgresServer
from mt_paas.standard_api.models import TenantState
from mt_paas.testing.doubles import FakeService, rightly, serve, slow

from tests.e2e.processes import QUICK, MarketApi, Process, eventually, free_port

SCHOOLS = 30


@dataclass
class Cluster:
    """A market of several processes."""

    service: FakeService
    apis: list[MarketApi]
    workers: list[Process]

    schools: Iterator[int] = field(default_factory=count)

    async def subscribe(self) -> str:
        """Subscribe a new school by one of the APIs, and return the id of its activation."""
        number = next(self.schools)
        api, slug = self.apis[number % len(self.apis)], f"school_{number:03d}"
        await api.post("/organizations", {"slug": slug, "name": slug})
        body = {
            "organization": slug,
            "service_id": self.service.service_id,
            "plan": "basic",
            "term_months": 1,
            "admin": {"email": "a@school.kr", "name": "A"},
        }
        return str((await api.post("/subscriptions", body))["meta"]["operation"]["id"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> AsyncIterator[Cluster]:
    folder, database = tmp_path_factory.mktemp("cluster"), f"test_cluster_{os.getpid()}"
    postgres_server.create_database(database)
    service, ports = FakeService(service_id="fake_tutor"), [free_port(), free_port()]
    env = {
        **QUICK,
        "MARKET_HOME": str(folder / "home"),
        "DATABASE_URL": postgres_server.url(database),
        "MARKET_PUBLIC_URL": f"http://127.0.0.1:{ports[0]}",
        "MARKET_OUTGOING__TOTAL_TIMEOUT": "30",
        "MARKET_PROVISIONING__PER_SERVICE": "100",
        "MARKET_SECRET_KEYS": '["one key that every process of the cluster shares"]',
    }
    market = ["-m", "service_market.cli"]
    serving = [
        Process([*market, "up", "--no-worker", "--port", str(port)], folder / f"api-{port}.log", env) for port in ports
    ]
    workers = [Process([*market, "worker"], folder / f"worker-{number}.log", env) for number in (1, 2)]
    try:
        async with serve(service) as url:
            with ExitStack() as stack:
                for process in (*serving, *workers):
                    stack.enter_context(process)
                apis = [MarketApi(port) for port in ports]
                for api in apis:
                    await api.ready()
                    api.token = (folder / "home" / "operator.token").read_text().strip()
                manifest = service.manifest(url).model_dump_json(exclude_none=True)
                await apis[0].post("/services", {"manifest": manifest, "api_key": service.api_key})

                async def listed() -> bool:
                    return bool((await apis[1].get("/services/fake_tutor"))["state"] == "listed")

                await eventually(listed)
                yield Cluster(service, apis, workers)
    finally:
        postgres_server.drop_database(database)


@pytest.mark.timeout(300)
@pytest.mark.asyncio(loop_scope="module")
class TestCluster:
    async def test_no_tenant_is_activated_twice(self, cluster: Cluster) -> None:
        operations = await asyncio.gather(*(cluster.subscribe() for _ in range(SCHOOLS)))
        ended = await asyncio.gather(*(cluster.apis[0].ended(operation) for operation in operations))
        assert {operation["state"] for operation in ended} == {"succeeded"}
        asked = [call.tenant_id for call in cluster.service.calls if call.operation == "activate"]
        assert len(asked) == len(set(asked)) == SCHOOLS

    async def test_a_worker_that_is_killed_is_replaced_by_the_other(self, cluster: Cluster) -> None:
        gate, before = asyncio.Event(), cluster.service.count("activate")
        cluster.service.behave(slow(gate), on="activate")
        operations = [await cluster.subscribe() for _ in range(6)]

        async def all_asked() -> bool:
            return cluster.service.count("activate") >= before + len(operations)

        await eventually(all_asked)
        cluster.workers[0].end(signal.SIGKILL)
        gate.set()
        ended = [await cluster.apis[1].ended(operation) for operation in operations]
        assert {operation["state"] for operation in ended} == {"succeeded"}
        asked = Counter(call.tenant_id for call in cluster.service.calls if call.operation == "activate")
        assert max(asked.values()) <= 2  # by the worker that died, and by the one that took over
        for operation in ended:
            history = await cluster.apis[1].get(f"/tenants/{operation['tenant_id']}/history")
            assert [row["to_state"] for row in history] == ["pending", "provisioning", "active"]
        assert {tenant.state for tenant in cluster.service.tenants.values()} == {TenantState.ACTIVE}
        cluster.service.behave(rightly, on="activate")
        cluster.workers[0].start()

    async def test_a_worker_that_was_stopped_and_goes_on_does_no_harm(self, cluster: Cluster) -> None:
        """A process that was frozen for longer than its lease finds that its operations are another's.

        A worker runs ten jobs at once, so of fourteen operations each worker has some.
        """
        gate, before = asyncio.Event(), cluster.service.count("activate")
        cluster.service.behave(slow(gate), on="activate")
        operations = [await cluster.subscribe() for _ in range(14)]

        async def all_asked() -> bool:
            return cluster.service.count("activate") >= before + len(operations)

        await eventually(all_asked)
        frozen = cluster.workers[1].child
        assert frozen is not None
        frozen.send_signal(signal.SIGSTOP)
        gate.set()
        ended = [await cluster.apis[0].ended(operation) for operation in operations]
        frozen.send_signal(signal.SIGCONT)

        async def found_out() -> bool:
            return "another run has this operation now" in cluster.workers[1].log.read_text()

        await eventually(found_out)
        assert {operation["state"] for operation in ended} == {"succeeded"}
        for operation in ended:
            history = await cluster.apis[0].get(f"/tenants/{operation['tenant_id']}/history")
            assert [row["to_state"] for row in history] == ["pending", "provisioning", "active"]
        cluster.service.behave(rightly, on="activate")
