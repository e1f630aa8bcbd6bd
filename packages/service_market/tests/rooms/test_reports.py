"""Events of services: who may report about which tenant, what is kept of it, and what the market does then."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from mt_paas.errors import ServiceRefused
from mt_paas.standard_api.addresses import AddressPolicy
from mt_paas.standard_api.events import EventSender, signed_headers
from mt_paas.standard_api.models import ActivateRequest, Callback, Event
from mt_paas.testing.doubles import FakeService, answer_with, fail, flaky, rightly, serve
from service_market.assembly import Addresses, assemble
from service_market.rooms.provisioning.service.operations import resume_forgotten
from service_market.rooms.reports.service import KEPT_AT_MOST, KEPT_FOR, forget_old
from service_market.settings import Settings
from sqlalchemy import text

OTHERS = {"organization": "snu_univ", "tenant_name": "서울대학교"}


class Door:
    """A market that really listens: its address is known before it is made, as its settings need it."""

    url = ""
    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.app is not None:
            await self.app(scope, receive, send)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    made = Door()
    async with serve(made) as made.url:
        yield made


@pytest.fixture
def settings(settings: Settings, door: Door) -> Settings:
    return settings.model_copy(update={"public_url": door.url + "/"})


@pytest.fixture
def app(app: Any, door: Door) -> Any:
    door.app = app
    return app


def callbacks(service: FakeService, tenant_id: str = "hallym_univ") -> list[Callback]:
    """Return the call-back of every activation that the service was asked for."""
    asked = [call.body for call in service.calls if (call.operation, call.tenant_id) == ("activate", tenant_id)]
    return [Callback.model_validate(body["callback"]) for body in asked]


def event(**changed: Any) -> Event:
    facts = {"id": "evt_00000001", "type": "tenant.limit_reached", "timestamp": datetime.now(UTC)}
    return Event.model_validate({**facts, "data": {"limit": "max_users", "value": 5}, **changed})


@dataclass
class Sender:
    """A service's sender of events, and a bare one for what no sender would send."""

    events: EventSender
    http: httpx2.AsyncClient

    async def refused(self, told: Event, callback: Callback) -> tuple[int | None, str | None]:
        with pytest.raises(ServiceRefused) as refusal:
            await self.events.send(told, callback)
        return refusal.value.status, refusal.value.error

    async def post(self, callback: Callback, body: bytes, **changed: Any) -> httpx2.Response:
        """Post ``body``, signed as it should be, but for what is ``changed``: a header, None for none."""
        secret, at = changed.pop("secret", callback.secret), datetime.now(UTC) + changed.pop("sent", timedelta())
        headers = signed_headers(secret, changed.pop("event_id", "evt_00000001"), at, body)
        headers |= {"Authorization": f"Bearer {callback.token}"} | {
            name.replace("_", "-"): value for name, value in changed.items()
        }
        sent = {name: value for name, value in headers.items() if value is not None}
        return await self.http.post(callback.events_url, content=body, headers=sent)


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    addresses = AddressPolicy(allow=("127.0.0.0/8",))
    async with EventSender(addresses=addresses, attempts=1) as events, httpx2.AsyncClient() as http:
        yield Sender(events, http)


@pytest.fixture
async def quiet(active: Any) -> Any:
    """An active tenant whose service has nothing more to tell: what the activation itself reported is forgotten."""
    await active.service.events_posted()
    async with active.market.kernel.unit() as uow:
        await uow.session.execute(text("DELETE FROM reported_event"))
        await uow.session.execute(text("DELETE FROM usage_record"))
    return active


async def told(scene: Any, tenant_id: str = "hallym_univ") -> list[dict[str, Any]]:
    return list(await scene.get(f"/tenants/{tenant_id}/events"))


class TestTheCallback:
    async def test_leads_to_the_market_and_is_the_tenants_own(self, quiet: Any, door: Door) -> None:
        await quiet.add_school("snu_univ")
        started = await quiet.subscribe(**OTHERS)
        await quiet.operation(started["meta"]["operation"]["id"])
        (one,), (other,) = callbacks(quiet.service), callbacks(quiet.service, "snu_univ")
        assert one.events_url == f"{door.url}/api/v1/callbacks/hallym_univ/events"
        assert one.token != other.token
        assert one.secret != other.secret

    async def test_is_the_same_in_every_attempt_of_an_operation(self, scene: Any) -> None:
        scene.service.behave(flaky(1, fail(500, "not now")), on="activate")
        await scene.operation((await scene.subscribe())["meta"]["operation"]["id"])
        first, second = (call.body for call in scene.service.calls if call.operation == "activate")
        assert first == second

    async def test_is_the_same_after_a_crash_even_where_the_settings_changed(
        self, scene: Any, settings: Settings, addresses: Addresses
    ) -> None:
        async def die(step: str) -> None:
            if step == "activate called":
                raise ConnectionAbortedError

        dying = assemble(settings, addresses, checkpoint=die)
        operation_id = (await scene.subscribe())["meta"]["operation"]["id"]
        await dying.kernel.jobs.run_until_idle()
        await dying.close()
        async with scene.market.kernel.unit() as uow:
            await uow.session.execute(text("UPDATE operation SET lease_expires_at = lease_expires_at - interval '1 h'"))
        moved = settings.model_copy(update={"public_url": "https://elsewhere.example"})
        other = assemble(moved, addresses)
        assert await resume_forgotten(other.kernel) == 1
        ended = await replace(scene, market=other).operation(operation_id)
        await other.close()
        assert ended["state"] == "succeeded"
        first, second = (call.body for call in scene.service.calls if call.operation == "activate")
        assert first == second

    async def test_is_another_at_the_next_activation(self, quiet: Any) -> None:
        await quiet.do("deactivate")
        await quiet.do("reactivate")
        first, second = callbacks(quiet.service)
        assert first.token != second.token
        assert first.secret != second.secret

    async def test_is_in_the_database_only_sealed_and_in_no_log(self, quiet: Any, capfd: Any) -> None:
        (callback,) = callbacks(quiet.service)
        tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        async with quiet.market.kernel.unit() as uow:
            for table in (await uow.session.scalars(text(tables))).all():
                rows = "".join((await uow.session.scalars(text(f"SELECT t::text FROM {table} t"))).all())  # noqa: S608 - ours
                assert callback.token not in rows, table
                assert callback.secret.removeprefix("whsec_") not in rows, table
        assert callback.token not in "".join(capfd.readouterr())

    async def test_that_can_not_be_opened_any_more_is_replaced(self, scene: Any) -> None:
        scene.service.behave(flaky(1, fail(500, "not now")), on="activate")
        operation_id = (await scene.subscribe())["meta"]["operation"]["id"]
        await scene.work()
        async with scene.market.kernel.unit() as uow:
            await uow.session.execute(text("UPDATE tenant_callback SET sealed_callback = ''"))
        assert (await scene.operation(operation_id))["state"] == "succeeded"
        await scene.service.events_posted()
        assert [each["type"] for each in await told(scene)] == ["usage.reported"]


class TestAServiceThatDeclaresNoEvents:
    @pytest.fixture
    async def service(self) -> FakeService:
        return FakeService(service_id="fake_tutor", version="1.0")

    async def test_is_given_no_callback(self, active: Any) -> None:
        (asked,) = (call.body for call in active.service.calls if call.operation == "activate")
        assert asked.get("callback") is None
        async with active.market.kernel.unit() as uow:
            assert await uow.session.scalar(text("SELECT count(*) FROM tenant_callback")) == 0


class TestAnEvent:
    async def test_of_a_service_is_kept_and_listed_newest_first(self, quiet: Any) -> None:
        tenant = quiet.service.tenants["hallym_univ"]
        for number in (1, 2):
            quiet.service.report(tenant, "tenant.limit_reached", {"limit": "max_users", "value": number})
            await quiet.service.events_posted()
        rows = await told(quiet)
        assert [row["data"]["value"] for row in rows] == [2, 1]
        assert [row["event_id"] for row in rows] == [each.id for each in reversed(quiet.service.events[-2:])]
        answer = (await quiet.operator.get("/tenants/hallym_univ/events?limit=1")).json()
        assert answer["meta"]["total"] == 2
        rest = await quiet.operator.get(f"/tenants/hallym_univ/events?cursor={answer['meta']['next_cursor']}")
        assert rest.json()["data"] == rows[1:]

    async def test_that_comes_again_counts_once_and_is_answered_alike(self, quiet: Any, sender: Sender) -> None:
        (callback,) = callbacks(quiet.service)
        for _ in range(2):
            await sender.events.send(event(), callback)
        await asyncio.gather(*(sender.events.send(event(id="evt_00000002"), callback) for _ in range(5)))
        assert [row["event_id"] for row in await told(quiet)] == ["evt_00000002", "evt_00000001"]

    async def test_of_a_type_that_nobody_knows_is_kept(self, quiet: Any, sender: Sender) -> None:
        (callback,) = callbacks(quiet.service)
        await sender.events.send(event(type="kitchen.on_fire", data={"since": [1, None]}), callback)
        (row,) = await told(quiet)
        assert (row["type"], row["data"]) == ("kitchen.on_fire", {"since": [1, None]})

    async def test_may_leave_the_tenant_out(self, quiet: Any, sender: Sender) -> None:
        (callback,) = callbacks(quiet.service)
        await sender.events.send(event(type="health.changed", data={"status": "degraded"}, tenant_id=None), callback)
        assert [row["type"] for row in await told(quiet)] == ["health.changed"]

    async def test_is_taken_by_the_callback_of_before_until_a_day_after_the_next_was_used(
        self, quiet: Any, sender: Sender, clock: Any
    ) -> None:
        await quiet.do("deactivate")
        quiet.service.behave(_without_an_event, on="activate")
        await quiet.do("reactivate")
        before, after = callbacks(quiet.service)
        clock.moved = timedelta(days=3)  # an unused one ends nothing: the service may not have taken it
        await sender.events.send(event(id="evt_00000001"), before)
        await sender.events.send(event(id="evt_00000002"), after)
        clock.moved = timedelta(days=3, hours=23)
        await sender.events.send(event(id="evt_00000003"), before)
        clock.moved = timedelta(days=4, minutes=1)
        assert await sender.refused(event(id="evt_00000004"), before) == (401, "token_unknown")
        await forget_old(quiet.market.kernel)
        await sender.events.send(event(id="evt_00000005"), after)
        assert len(await told(quiet)) == 4

    async def test_about_a_purged_tenant_is_refused_and_nothing_is_left_of_the_others(
        self, quiet: Any, sender: Sender
    ) -> None:
        (callback,) = callbacks(quiet.service)
        await sender.events.send(event(), callback)
        await quiet.do("deactivate")
        await sender.events.send(event(id="evt_00000002"), callback)  # a closed tenant's service may still have to say
        await quiet.do("purge")
        assert await sender.refused(event(id="evt_00000003"), callback) == (401, "token_unknown")
        assert await told(quiet) == []

    async def test_is_forgotten_after_a_while(self, quiet: Any, sender: Sender, clock: Any) -> None:
        (callback,) = callbacks(quiet.service)
        await sender.events.send(event(), callback)
        clock.moved = KEPT_FOR - timedelta(minutes=1)
        await forget_old(quiet.market.kernel)
        assert len(await told(quiet)) == 1
        clock.moved = KEPT_FOR + timedelta(minutes=1)
        await forget_old(quiet.market.kernel)
        assert await told(quiet) == []

    async def test_drives_the_oldest_out_where_there_are_too_many(self, quiet: Any, sender: Sender) -> None:
        (callback,) = callbacks(quiet.service)
        await sender.events.send(event(), callback)
        many = """
            INSERT INTO reported_event (id, tenant_pk, event_id, type, data, happened_at, received_at)
            SELECT ('0198a4c2-7d1e-7aa0-b3a1-' || lpad(n::text, 12, '0'))::uuid, tenant_pk, 'evt_old_' || n, type, data,
                   happened_at, received_at FROM reported_event, generate_series(1, :number) n"""
        async with quiet.market.kernel.unit() as uow:
            await uow.session.execute(text(many), {"number": KEPT_AT_MOST})
        await sender.events.send(event(id="evt_00000002"), callback)
        page = (await quiet.operator.get("/tenants/hallym_univ/events?limit=2")).json()
        assert [row["event_id"] for row in page["data"]] == ["evt_00000002", "evt_00000001"]
        assert page["meta"]["total"] == KEPT_AT_MOST


async def _without_an_event(call: Any) -> None:
    """Activate, and keep the event that the fake service would send then to itself."""
    call.service.report_usage = lambda tenant: None
    await rightly(call)


class TestWhoMayNotReport:
    @pytest.fixture
    async def two(self, quiet: Any) -> tuple[Callback, Callback]:
        """The call-backs of two tenants of one service."""
        await quiet.add_school("snu_univ")
        await quiet.operation((await quiet.subscribe(**OTHERS))["meta"]["operation"]["id"])
        return callbacks(quiet.service)[0], callbacks(quiet.service, "snu_univ")[0]

    async def test_is_another_tenant(self, quiet: Any, two: tuple[Callback, Callback], sender: Sender) -> None:
        """Whatever of another tenant's call-back is borrowed, and whatever the event says."""
        own, other = two
        address = own.model_copy(update={"events_url": other.events_url})
        assert await sender.refused(event(), address) == (403, "tenant_forbidden")
        token = own.model_copy(update={"token": other.token})
        assert await sender.refused(event(), token) == (403, "tenant_forbidden")
        secret = own.model_copy(update={"secret": other.secret})
        assert await sender.refused(event(), secret) == (401, "signature_invalid")
        assert await sender.refused(event(tenant_id="snu_univ"), own) == (403, "tenant_forbidden")
        assert await sender.refused(
            event(), own.model_copy(update={"events_url": other.events_url, "token": other.token})
        ) == (
            401,
            "signature_invalid",
        )
        assert await told(quiet) == []

    async def test_is_nobody_without_a_token_of_a_callback(self, quiet: Any, sender: Sender) -> None:
        (callback,) = callbacks(quiet.service)
        for wrong in ("Bearer mtc_nothing", f"Bearer {callback.token}x", quiet.operator.headers["authorization"]):
            answer = await sender.post(callback, b"{}", Authorization=wrong)
            assert (answer.status_code, answer.json()["error"]) == (401, "token_unknown"), wrong
        for wrong in (None, "Basic eDp5", "Bearer"):
            answer = await sender.post(callback, b"{}", Authorization=wrong)
            assert (answer.status_code, answer.json()["error"]) == (401, "unauthenticated"), wrong
            assert answer.headers["content-type"] == "application/problem+json"

    async def test_is_not_whose_secret_the_market_has_lost(self, quiet: Any, sender: Sender) -> None:
        (callback,) = callbacks(quiet.service)
        async with quiet.market.kernel.unit() as uow:
            await uow.session.execute(text("UPDATE tenant_callback SET sealed_callback = ''"))
        assert await sender.refused(event(), callback) == (401, "token_unknown")

    async def test_does_not_get_into_the_api_by_a_callback(self, quiet: Any, anybody: Any) -> None:
        (callback,) = callbacks(quiet.service)
        answer = await anybody.get("/tenants", headers={"Authorization": f"Bearer {callback.token}"})
        assert (answer.status_code, answer.json()["error"]) == (401, "token_unknown")


class TestWhatIsNoEvent:
    @pytest.mark.parametrize(
        "how",
        [
            {"secret": "whsec_" + "A" * 44},
            {"sent": timedelta(minutes=-6)},
            {"sent": timedelta(minutes=6)},
            {"webhook_signature": "v1,bm90aGluZw=="},
            {"webhook_signature": "v2,"},
            {"webhook_signature": None},
            {"webhook_timestamp": "soon"},
            {"webhook_id": "evt_00000009"},
            {"webhook_id": None},
        ],
        ids=str,
    )
    async def test_is_refused_where_the_signature_is_wrong(self, quiet: Any, sender: Sender, how: Any) -> None:
        (callback,) = callbacks(quiet.service)
        answer = await sender.post(callback, event().model_dump_json().encode(), **how)
        assert (answer.status_code, answer.json()["error"]) == (401, "signature_invalid"), answer.text
        assert await told(quiet) == []

    async def test_is_refused_where_the_body_or_the_time_was_altered(self, quiet: Any, sender: Sender) -> None:
        (callback,) = callbacks(quiet.service)
        now, body = datetime.now(UTC), event().model_dump_json().encode()
        headers = signed_headers(callback.secret, "evt_00000001", now, body)
        later = {"webhook-timestamp": str(int(now.timestamp()) + 1)}
        for changed, sent in ((headers, body.replace(b"5", b"6")), (headers | later, body)):
            answer = await sender.post(callback, sent, **changed)
            assert (answer.status_code, answer.json()["error"]) == (401, "signature_invalid")
        assert (await sender.post(callback, body, **headers)).status_code == 204

    @pytest.mark.parametrize(
        ("body", "place"),
        [
            (b"", "body"),
            (b"not JSON", "body"),
            (b"\xff\xfe", "body"),
            (b"[]", "body"),
            (b"[" * 5000, "body"),
            (b"{}", "body/id"),
            (b'{"id": "evt_00000001", "id": "evt_00000001"}', "body"),
            (event(data={"name": "x\0y"}).model_dump_json().encode(), "body/data/name"),
            (event().model_dump_json().replace("evt_00000001", "evt_00000002").encode(), "body/id"),
            (event().model_dump_json(exclude={"timestamp"}).encode(), "body/timestamp"),
            (event().model_dump_json().replace('"data":{', '"data":[{').replace("}}", "}]}").encode(), "body/data"),
        ],
        ids=lambda value: repr(value)[:40],
    )
    async def test_is_told_what_is_wrong(self, quiet: Any, sender: Sender, body: bytes, place: str) -> None:
        (callback,) = callbacks(quiet.service)
        answer = await sender.post(callback, body)
        assert (answer.status_code, answer.json()["error"]) == (422, "invalid_body"), answer.text
        assert place in {fault["path"] for fault in answer.json()["details"]}
        assert await told(quiet) == []

    async def test_is_not_read_to_its_end_where_it_is_too_large(self, quiet: Any, sender: Sender) -> None:
        (callback,) = callbacks(quiet.service)
        body = json.dumps({"id": "evt_00000001", "data": "x" * 70_000}).encode()
        answer = await sender.post(callback, body)
        assert (answer.status_code, answer.json()["error"]) == (413, "body_too_large")

    async def test_leaves_nothing_of_its_body_in_the_log(self, quiet: Any, sender: Sender, capfd: Any) -> None:
        (callback,) = callbacks(quiet.service)
        await sender.post(callback, b'{"data": "hunter2"}')
        told_as_usage = event(type="usage.reported", data={"period": "hunter2", "usage": "hunter2"})
        await sender.events.send(told_as_usage, callback)
        assert "hunter2" not in "".join(capfd.readouterr())


class TestReportedUsage:
    @pytest.fixture
    def report(self, quiet: Any, sender: Sender) -> Callable[..., Any]:
        async def send(number: int, calls: Any, *, at: datetime, **data: Any) -> None:
            data = {"period": "2026-01", "usage": {"api_calls": calls}, **data}
            (callback,) = callbacks(quiet.service)
            told = event(id=f"evt_0000000{number}", type="usage.reported", timestamp=at, data=data)
            await sender.events.send(told, callback)

        return send

    async def test_of_a_service_becomes_a_usage_record(self, active: Any) -> None:
        """The fake service reports its usage when a tenant is activated."""
        await active.service.events_posted()
        (record,) = await active.get("/tenants/hallym_univ/usage")
        month = active.service.clock().strftime("%Y-%m")
        assert (record["source_id"], record["period"], record["corrections"]) == (month, month, 0)
        assert set(record["usage"]) == {"api_calls"}

    async def test_is_corrected_by_later_figures_and_not_by_earlier_ones(self, quiet: Any, report: Any) -> None:
        now = datetime.now(UTC)
        await report(1, 10, at=now - timedelta(hours=1))
        await report(2, 20, at=now)
        await report(3, 15, at=now - timedelta(minutes=30))  # it took its time
        (record,) = await quiet.get("/tenants/hallym_univ/usage")
        assert (record["usage"], record["corrections"]) == ({"api_calls": "20"}, 1)
        assert len(await told(quiet)) == 3

    async def test_that_comes_again_corrects_nothing(self, quiet: Any, report: Any) -> None:
        for _ in range(2):
            await report(1, 10, at=datetime.now(UTC))
        (record,) = await quiet.get("/tenants/hallym_univ/usage")
        assert (record["usage"], record["corrections"]) == ({"api_calls": "10"}, 0)

    async def test_of_a_time_to_come_does_not_keep_later_figures_out(self, quiet: Any, report: Any) -> None:
        await report(1, 10, at=datetime.now(UTC) + timedelta(days=400))
        await report(2, 20, at=datetime.now(UTC))
        (record,) = await quiet.get("/tenants/hallym_univ/usage")
        assert record["usage"] == {"api_calls": "20"}

    async def test_that_is_none_is_an_event_and_no_record(self, quiet: Any, report: Any) -> None:
        now = datetime.now(UTC)
        await report(1, -1, at=now)
        await report(2, 1, at=now, period="monthly")
        await report(3, 1, at=now, usage={})
        await report(4, 1, at=now, source_id=7)
        assert await quiet.get("/tenants/hallym_univ/usage") == []
        assert len(await told(quiet)) == 4


class TestAnEventOfAnOperation:
    @pytest.fixture
    async def service(self) -> FakeService:
        """It answers activations later, and wants not to be asked for an hour."""
        service = FakeService(service_id="fake_tutor")

        async def in_an_hour(call: Any) -> None:
            await answer_with(202, {"operation_id": "op_1", "retry_after": 3600})(call)

        service.behave(in_an_hour, on="activate")
        return service

    @pytest.fixture
    async def waiting(self, scene: Any) -> str:
        operation_id = str((await scene.subscribe())["meta"]["operation"]["id"])
        await scene.work()
        return operation_id

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        patient = settings.provisioning.model_copy(update={"deadline": 7200.0})
        return settings.model_copy(update={"provisioning": patient})

    async def test_has_the_market_ask_at_once_and_believe_the_answer_alone(
        self, scene: Any, waiting: str, sender: Sender
    ) -> None:
        service, (callback,) = scene.service, callbacks(scene.service)
        claim = {"operation_id": "op_1", "status": "succeeded"}
        still = {"operation_id": "op_1", "status": "in_progress", "retry_after": 3600}
        service.behave(answer_with(200, still), on="operation")
        await sender.events.send(event(id="evt_00000001", type="operation.ended", data=claim), callback)
        await scene.work()
        assert (service.count("operation"), (await scene.tenant())["state"]) == (1, "provisioning")
        await scene.work()
        assert service.count("operation") == 1  # it waits again

        request = next(call.body for call in service.calls if call.operation == "activate")
        done = await service.activate_tenant(ActivateRequest.model_validate(request))
        result = done.model_dump(mode="json", exclude_none=True)
        service.behave(answer_with(200, claim | {"result": result}), on="operation")
        await sender.events.send(event(id="evt_00000002", type="operation.ended", data=claim), callback)
        await scene.work()
        assert (await scene.get(f"/operations/{waiting}"))["state"] == "succeeded"

    async def test_of_another_operation_wakes_nobody(self, scene: Any, waiting: str, sender: Sender) -> None:
        (callback,) = callbacks(scene.service)
        for number, data in enumerate([{"operation_id": "op_2"}, {"operation_id": 1}, {"operation_id": None}, {}]):
            await sender.events.send(event(id=f"evt_0000000{number}", type="operation.ended", data=data), callback)
        await scene.work()
        assert scene.service.count("operation") == 0
        assert (await scene.get(f"/operations/{waiting}"))["state"] == "running"
