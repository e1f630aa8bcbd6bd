"""The tenants of this service: one SQLite file for the registry, and one for each tenant's notes.

A change is one SQLite transaction, or the making or deleting of one file; what takes both is written so that, cut off
anywhere, the same call completes it. A lock file keeps two lifecycle calls for one tenant apart, across processes.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from plain_service.contract import Activation, Deactivation, Refusal

RETENTION = timedelta(days=90)
LINK_LIFETIME = timedelta(days=3)

_REGISTRY = """
CREATE TABLE IF NOT EXISTS secret (id INTEGER PRIMARY KEY CHECK (id = 1), value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tenant (
    tenant_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    plan TEXT NOT NULL,
    storage_limit_gb REAL,
    request TEXT NOT NULL,          -- the digest of the activation's body
    idempotency_key TEXT,
    status TEXT NOT NULL CHECK (status IN ('active', 'deactivated', 'purged')),
    activation INTEGER NOT NULL,    -- how often it was activated
    created_at TEXT NOT NULL,
    activated_at TEXT NOT NULL,
    deactivate_at TEXT,             -- a deactivation that is scheduled
    data_preserved INTEGER NOT NULL DEFAULT 1,
    deadline TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS access_key (
    digest TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    activation INTEGER NOT NULL,
    UNIQUE (tenant_id, activation)  -- which is what makes a set-up link work once
) STRICT;
"""
_NOTES = "CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;"


@dataclass(frozen=True)
class Tenant:
    """A tenant, as the registry has it."""

    tenant_id: str
    name: str
    plan: str
    storage_limit_gb: float | None
    request: str
    idempotency_key: str | None
    status: str
    activation: int
    created_at: datetime
    activated_at: datetime
    deactivate_at: datetime | None
    data_preserved: bool
    deadline: datetime | None


class Store:
    """All tenants, in the folder ``home``. Its methods block: call them from a thread."""

    def __init__(self, home: Path, clock: Callable[[], datetime]) -> None:
        self._home, self._clock = home, clock
        for folder in ("tenants", "locks"):
            (home / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._registry() as registry:
            registry.executescript(_REGISTRY)
            registry.execute("INSERT OR IGNORE INTO secret VALUES (1, ?)", [secrets.token_urlsafe(32)])
            self._secret: str = registry.execute("SELECT value FROM secret").fetchone()[0]

    def sweep(self) -> None:
        """Do what is due for every tenant: deactivations whose time has come, data whose deadline is over."""
        with self._registry() as registry:
            found = registry.execute("SELECT tenant_id FROM tenant WHERE status != 'purged'").fetchall()
        for row in found:
            with suppress(Refusal), self._hold(row["tenant_id"]):
                self._settle(row["tenant_id"])

    def find(self, tenant_id: str) -> Tenant:
        """Return the tenant as it is now: past its scheduled time it is deactivated. Raises 404."""
        with self._registry() as registry:
            row = registry.execute("SELECT * FROM tenant WHERE tenant_id = ?", [tenant_id]).fetchone()
        if row is None:
            raise Refusal("tenant_not_found")
        return _tenant(row, self._clock())

    def activate(self, request: Activation, idempotency_key: str | None) -> Tenant:
        """Create the tenant, or bring it back with its notes; the same request again changes nothing."""
        digest = hashlib.sha256(request.canonical.encode()).hexdigest()
        with self._hold(request.tenant_id):
            try:
                tenant = self._settle(request.tenant_id)
            except Refusal:
                self._notes_file(request.tenant_id).unlink(missing_ok=True)  # of an activation that was cut off
            else:
                if tenant.status == "purged":
                    raise Refusal("tenant_purged")
                if tenant.status == "active":
                    if tenant.request == digest or (idempotency_key and tenant.idempotency_key == idempotency_key):
                        return tenant
                    raise Refusal("tenant_already_exists")
            with self._notes(request.tenant_id, "rwc") as notes:
                notes.execute(_NOTES)
            now = self._clock().isoformat()
            with self._registry() as registry:
                registry.execute(
                    "INSERT INTO tenant (tenant_id, name, plan, storage_limit_gb, request, idempotency_key, status,"
                    " activation, created_at, activated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'active', 1, ?7, ?7)"
                    " ON CONFLICT DO UPDATE SET name = ?2, plan = ?3, storage_limit_gb = ?4, request = ?5,"
                    " idempotency_key = ?6, status = 'active', activation = activation + 1, activated_at = ?7,"
                    " deactivate_at = NULL, data_preserved = 1, deadline = NULL",
                    [
                        request.tenant_id,
                        request.name,
                        request.plan,
                        request.config.get("storage_limit_gb"),
                        digest,
                        idempotency_key,
                        now,
                    ],
                )
            return self.find(request.tenant_id)

    def deactivate(self, tenant_id: str, request: Deactivation) -> Tenant:
        """Close the tenant, now or later; again on a closed one it changes nothing, unless its data are to go."""
        self.find(tenant_id)
        with self._hold(tenant_id):
            tenant, now = self._settle(tenant_id), self._clock()
            if tenant.status == "active":
                at = max(request.deactivate_at or now, now)
                deadline = (at + RETENTION).isoformat() if request.preserve_data else None
                self._write(
                    tenant_id, deactivate_at=at.isoformat(), data_preserved=request.preserve_data, deadline=deadline
                )
            elif not request.preserve_data:
                self._write(tenant_id, data_preserved=False, deadline=None)
            return self._settle(tenant_id)

    def storage_bytes(self, tenant_id: str) -> int:
        """Return the size of the tenant's file."""
        return self._notes_file(tenant_id).stat().st_size

    def setup_token(self, tenant: Tenant) -> str:
        """Return the token of the set-up link of the tenant's present activation: derived, never stored."""
        message = f"{tenant.tenant_id} {tenant.activation}".encode()
        return hmac.new(self._secret.encode(), message, hashlib.sha256).hexdigest()

    def redeem(self, tenant_id: str, token: str) -> str:
        """Use a set-up link up and return the tenant's new access key. Raises 410."""
        self.check_link(tenant_id, token)
        key = "pnk_" + secrets.token_urlsafe(32)
        with self._registry() as registry:
            made = registry.execute(
                "INSERT OR IGNORE INTO access_key SELECT ?, tenant_id, activation FROM tenant WHERE tenant_id = ?",
                [_digest(key), tenant_id],
            )
        if made.rowcount == 0:
            raise Refusal("link_expired")
        return key

    def check_link(self, tenant_id: str, token: str) -> None:
        """Raise 410 unless the link is the one of the tenant's present activation, and in time."""
        try:
            tenant = self.find(tenant_id)
        except Refusal:
            raise Refusal("link_expired") from None
        right = hmac.compare_digest(token.encode(), self.setup_token(tenant).encode())
        if tenant.status != "active" or not right or tenant.activated_at + LINK_LIFETIME <= self._clock():
            raise Refusal("link_expired")

    def tenant_of_key(self, key: str) -> Tenant:
        """Return the tenant whose access key this is. Raises 401, and 403 for a tenant that is closed."""
        with self._registry() as registry:
            found = registry.execute("SELECT tenant_id FROM access_key WHERE digest = ?", [_digest(key)]).fetchone()
        tenant = self.find(found["tenant_id"]) if found else None
        if tenant is None or tenant.status == "purged":
            raise Refusal("invalid_api_key")
        if tenant.status != "active":
            raise Refusal("tenant_deactivated")
        return tenant

    def write_note(self, tenant_id: str, text: str) -> None:
        """Keep a note."""
        with self._notes(tenant_id) as notes:
            notes.execute("INSERT INTO note (text) VALUES (?)", [text])

    def list_notes(self, tenant_id: str) -> list[str]:
        """Return the tenant's notes, oldest first."""
        with self._notes(tenant_id) as notes:
            return [row["text"] for row in notes.execute("SELECT text FROM note ORDER BY id")]

    def _settle(self, tenant_id: str) -> Tenant:
        """Do what is due for a tenant that is held: write a deactivation down, delete data that nobody keeps."""
        tenant = self.find(tenant_id)
        if tenant.status == "deactivated":
            self._write(tenant_id, status="deactivated", deactivate_at=None)
            if tenant.deadline is None or tenant.deadline <= self._clock():
                self._notes_file(tenant_id).unlink(missing_ok=True)
                self._write(tenant_id, status="purged", name="", request="", data_preserved=False, deadline=None)
        return self.find(tenant_id)

    def _write(self, tenant_id: str, **columns: str | bool | None) -> None:
        assignments = ", ".join(f"{name} = ?" for name in columns)
        with self._registry() as registry:
            registry.execute(
                f"UPDATE tenant SET {assignments} WHERE tenant_id = ?",  # noqa: S608 - names of this module's own
                [*columns.values(), tenant_id],
            )

    @contextmanager
    def _hold(self, tenant_id: str) -> Iterator[None]:
        """Keep every other lifecycle call for the tenant out; the lock ends with the process that has it."""
        lock = os.open(self._home / "locks" / tenant_id, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise Refusal("operation_in_progress") from None
        finally:
            os.close(lock)

    def _notes_file(self, tenant_id: str) -> Path:
        return self._home / "tenants" / f"{tenant_id}.sqlite3"

    def _notes(self, tenant_id: str, mode: str = "rw") -> AbstractContextManager[sqlite3.Connection]:
        return _transaction(self._notes_file(tenant_id), mode)

    def _registry(self) -> AbstractContextManager[sqlite3.Connection]:
        return _transaction(self._home / "registry.sqlite3", "rwc")


@contextmanager
def _transaction(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=10)) as connection:
        connection.row_factory = sqlite3.Row
        with connection:
            yield connection


def _tenant(row: sqlite3.Row, now: datetime) -> Tenant:
    values = {key: row[key] for key in row.keys()}  # noqa: SIM118 - iterating a Row gives its values
    for name in ("created_at", "activated_at", "deactivate_at", "deadline"):
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    if values["status"] == "active" and values["deactivate_at"] and values["deactivate_at"] <= now:
        values["status"] = "deactivated"
    return Tenant(**values)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
