"""The main job, step by step, over the public HTTP of the market and its services. Each step asserts what it shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from service_market.cli import text
from service_market.cli.demo.processes import Processes, Surprise
from service_market.cli.demo.services import Service, User
from service_market.cli.exits import Stop
from service_market.cli.remote import Refused, Remote, path
from service_market.cli.screen import Column, Screen
from service_market.cli.text import Message

__all__ = ["Story", "manifest_of"]

SCHOOLS = {"hallym_univ": "한림대학교", "snu_univ": "서울대학교"}
_MARKET = "market"
_TERM = 1  # month
_PAST_THE_TERM = 32 * 24 * 3600  # seconds: longer than any month
_PATIENCE = 30.0  # seconds for the market to do what it was asked
_LOOK = 0.05  # seconds between two looks
_TABLE = (
    Column(text.TENANT, "tenant_id"),
    Column(text.NAME, "name"),
    Column(text.SERVICE, "service_id"),
    Column(text.STATE, "state"),
    Column(text.DEMO_NOTES, "notes"),
    Column(text.DEMO_TOOK, "took"),
    Column(text.UNTIL, "until"),
)


def manifest_of(service: str) -> Path:
    """Return the manifest of one of the demo's services, which is beside its module."""
    spec = find_spec(service)
    assert spec is not None  # noqa: S101 - whoever starts the demo looked
    assert spec.origin is not None  # noqa: S101 - a package that is installed has a file
    return Path(spec.origin).with_name("manifest.yaml")


@dataclass
class _Tenant:
    """A tenant of the story, what its users hold, and what they wrote."""

    tenant_id: str
    school: str
    service: Service
    key: str = ""
    notes: list[str] = field(default_factory=list)


class Story:
    """Plays the story once, in order. Raises :class:`Surprise` at the first thing that is not as it must be."""

    def __init__(
        self,
        market: Remote,
        services: list[Service],
        processes: Processes,
        *,
        move_clock: Callable[[float], None],
        screen: Screen,
    ) -> None:
        self._market = market
        self._services = services
        self._processes = processes
        self._move_clock = move_clock
        self._screen = screen
        self._tenants: list[_Tenant] = []

    def play(self) -> None:
        """Play every step, and show what came of it."""
        with self._step(text.DEMO_REGISTER):
            self._register()
        with self._step(text.DEMO_SCHOOLS):
            for slug, name in SCHOOLS.items():
                self._market.send("POST", "organizations", {"slug": slug, "name": name})
        with self._step(text.DEMO_SUBSCRIBE):
            self._subscribe()
        with User() as user:
            with self._step(text.DEMO_REDEEM):
                self._redeem(user)
            with self._step(text.DEMO_WRITE):
                self._write_and_read(user)
            with self._step(text.DEMO_ISOLATION):
                self._keep_apart(user)
            with self._step(text.DEMO_EXPIRE):
                self._expire()
            with self._step(text.DEMO_REFUSED):
                for tenant in self._tenants:
                    word = user.is_refused(tenant.service, tenant.key, expect=403)
                    _equal(word, "tenant_deactivated", tenant.service.name)
            with self._step(text.DEMO_REACTIVATE):
                self._reactivate()
            with self._step(text.DEMO_STILL_THERE):
                self._still_there(user, self._tenants)
            with self._step(
                text.DEMO_PURGE, tenant=self._tenants[-1].tenant_id, service=self._tenants[-1].service.name
            ):
                self._purge(user, self._tenants[-1])
        self._show()

    @contextmanager
    def _step(self, title: Message, **values: object) -> Iterator[None]:
        began = time.monotonic()
        shown = title(**values)
        try:
            with self._screen.busy(shown):
                self._processes.require_all()
                yield
        except Stop as stop:  # the market refused, or is not there
            self._screen.say(f"✗ {time.monotonic() - began:5.2f} s  {shown}", style="bold red")
            self._processes.require_all()
            raise Surprise(stop.message, _MARKET) from None
        except Surprise:
            self._screen.say(f"✗ {time.monotonic() - began:5.2f} s  {shown}", style="bold red")
            raise
        self._screen.say(f"✓ {time.monotonic() - began:5.2f} s  {shown}", style="green")

    def _register(self) -> None:
        for service in self._services:
            manifest = manifest_of(service.name).read_text()
            body = {"manifest": manifest, "api_key": service.market_key, "base_url": service.url}
            self._market.send("POST", "services", body)
        for service in self._services:
            found = self._until("services", service.name, "verifying")
            if found["state"] != "listed":
                raise Surprise(text.SERVICE_REJECTED(service=service.name, why=found["reason"]), service.name)

    def _subscribe(self) -> None:
        for slug, name in SCHOOLS.items():
            for service in self._services:
                body = {
                    "organization": slug,
                    "service_id": service.name,
                    "plan": "standard",
                    "term_months": _TERM,
                    "admin": {"email": f"admin@{slug.partition('_')[0]}.ac.kr", "name": name},
                }
                tenant_id = self._market.send("POST", "subscriptions", body).data["tenant_id"]
                self._tenants.append(_Tenant(tenant_id, slug, service))
        for tenant in self._tenants:
            self._reaches(tenant, "active", through=("pending", "provisioning"))

    def _redeem(self, user: User) -> None:
        for tenant in self._tenants:
            where = path("tenants", tenant.tenant_id, "setup-link")
            tenant.key = user.redeem(tenant.service, self._market.send("POST", where).data["setup_url"])
            try:
                self._market.send("POST", where)
            except Refused as refused:
                _equal(refused.error, "setup_link_taken", _MARKET)
            else:
                raise Surprise(text.DEMO_LINK_TWICE(tenant=tenant.tenant_id), _MARKET)
        _equal(len({tenant.key for tenant in self._tenants}), len(self._tenants), _MARKET)

    def _write_and_read(self, user: User) -> None:
        for tenant in self._tenants:
            tenant.notes = [f"{SCHOOLS[tenant.school]} · {tenant.service.name} · {number}" for number in (1, 2)]
            for note in tenant.notes:
                user.write(tenant.service, tenant.key, note)
        self._still_there(user, self._tenants)

    def _keep_apart(self, user: User) -> None:
        for tenant in self._tenants:
            others = [each for each in self._tenants if each is not tenant]
            for other in others:
                if other.service is tenant.service:
                    word = user.is_refused(tenant.service, tenant.key, as_tenant=other.tenant_id, expect=403)
                    _equal(word, "tenant_forbidden", tenant.service.name)
                else:
                    user.is_refused(other.service, tenant.key, expect=401)
            user.is_refused(tenant.service, None, expect=401)
            theirs = {note for other in others for note in other.notes}
            _equal(theirs & set(user.read(tenant.service, tenant.key)), set(), tenant.service.name)

    def _expire(self) -> None:
        for tenant in self._tenants:
            _equal(self._look(tenant)["state"], "active", _MARKET)
        self._move_clock(_PAST_THE_TERM)
        # The worker sweeps every minute by itself and may have been first, so its count is no proof; the states are.
        self._market.send("POST", "subscriptions/sweep")
        for tenant in self._tenants:
            self._reaches(tenant, "deactivated", through=("active", "deactivating"))
        states = {each["state"] for each in self._market.list("subscriptions", limit=0)[0]}
        _equal(states, {"expired"}, _MARKET)

    def _reactivate(self) -> None:
        for tenant in self._tenants:
            where = path("tenants", tenant.tenant_id, "reactivate")
            self._market.send("POST", where, {"renew_months": _TERM})
        for tenant in self._tenants:
            self._reaches(tenant, "active", through=("deactivated", "provisioning"))
        states = {each["state"] for each in self._market.list("subscriptions", limit=0)[0]}
        _equal(states, {"active"}, _MARKET)

    def _still_there(self, user: User, tenants: list[_Tenant]) -> None:
        for tenant in tenants:
            _equal(user.read(tenant.service, tenant.key), tenant.notes, tenant.service.name)

    def _purge(self, user: User, tenant: _Tenant) -> None:
        self._market.send("POST", path("tenants", tenant.tenant_id, "deactivate"), {})
        self._reaches(tenant, "deactivated", through=("active", "deactivating"))
        self._market.send("POST", path("tenants", tenant.tenant_id, "purge"))
        self._reaches(tenant, "purged", through=("deactivated", "purging"))
        _equal(user.is_unknown(tenant.service, tenant.tenant_id), "tenant_not_found", tenant.service.name)
        user.is_refused(tenant.service, tenant.key, expect=401)
        self._still_there(user, [each for each in self._tenants if each is not tenant])
        tenant.notes = []

    def _look(self, tenant: _Tenant) -> dict[str, Any]:
        found: dict[str, Any] = self._market.get(path("tenants", tenant.tenant_id))
        return found

    def _reaches(self, tenant: _Tenant, state: str, *, through: tuple[str, ...]) -> None:
        found = self._until("tenants", tenant.tenant_id, *through)
        if found["state"] != state:
            why = found["failure_reason"] or "–"
            raise Surprise(
                text.DEMO_WRONG_STATE(tenant=tenant.tenant_id, state=found["state"], expected=state, why=why),
                tenant.service.name,
            )

    def _until(self, kind: str, name: str, *passing: str) -> dict[str, Any]:
        """Return the thing once it is in none of the ``passing`` states."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            found: dict[str, Any] = self._market.get(path(kind, name))
            if found["state"] not in passing:
                return found
            if time.monotonic() > deadline:
                raise Surprise(text.DEMO_STUCK(what=name, state=found["state"], seconds=round(_PATIENCE)), _MARKET)
            self._processes.require_all()
            time.sleep(_LOOK)

    def _show(self) -> None:
        ends = {each["tenant_id"]: each["ends_at"] for each in self._market.list("subscriptions", limit=0)[0]}
        activations = self._market.list("operations", limit=0)[0]
        rows = []
        for tenant in self._tenants:
            took = [_seconds(each) for each in activations if each["tenant_id"] == tenant.tenant_id]
            rows.append(
                self._look(tenant)
                | {"notes": len(tenant.notes), "took": f"{took[-1]:.2f} s", "until": ends[tenant.tenant_id]}
            )
        expected = ["active"] * (len(self._tenants) - 1) + ["purged"]
        _equal([row["state"] for row in rows], expected, _MARKET)
        self._screen.rows(rows, _TABLE)


def _seconds(operation: dict[str, Any]) -> float:
    """Return how long an operation took. Operations are listed newest first, so a tenant's last one is its first."""
    times = [datetime.fromisoformat(operation[name]) for name in ("created_at", "finished_at")]
    return (times[1] - times[0]).total_seconds()


def _equal(found: object, expected: object, program: str) -> None:
    if found != expected:
        raise Surprise(text.DEMO_NOT_EQUAL(found=found, expected=expected), program)
