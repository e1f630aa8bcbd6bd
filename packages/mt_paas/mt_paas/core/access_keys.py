"""The access keys of a tenant: made, listed, replaced, ended, and found again by their digest.

The first one is given by the administrator's set-up link (:mod:`mt_paas.core.access`) and may do all that the tenant
may; further ones are for programs, with a name, scopes and an end of their own. A key is shown once, when it is made,
and kept as a digest. An ended key stays listed: the row of the first is what tells that the link was used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncEngine

from mt_paas.core import rows
from mt_paas.core.clock import Clock
from mt_paas.core.models import AccessKeyRow
from mt_paas.core.store import Store
from mt_paas.errors import InvalidBody, NotFound
from mt_paas.utils.security import digest_token, mint_token

__all__ = ["KEY_PREFIX", "AccessKey", "AccessKeys", "NewAccessKey"]

KEY_PREFIX = "mtk_"

_NAME = re.compile(r"\S(?:[^\x00-\x1f\x7f]{0,198}\S)?")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}")  # scope-token of RFC 6749, appendix A.4
_MANY_SCOPES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """What is kept of an access key. ``scopes`` is null for one that may do all that its tenant may."""

    key_id: int
    tenant_id: str
    name: str
    scopes: frozenset[str] | None
    created_at: datetime
    expires_at: datetime | None
    digest: str = field(repr=False)

    def is_valid(self, now: datetime) -> bool:
        """Tell whether the key opens anything at ``now``."""
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True)
class NewAccessKey:
    """An access key that was just made. ``secret`` is what its holder sends; nobody can tell it a second time."""

    key: AccessKey
    secret: str = field(repr=False)


class AccessKeys(Store):
    """Every query on access keys that have a name. ``changed`` is told whose keys were changed here."""

    def __init__(self, engine: AsyncEngine, clock: Clock, changed: Callable[[str], None] = lambda _: None) -> None:
        super().__init__(engine, clock)
        self._changed = changed

    async def create(
        self,
        tenant_id: str,
        *,
        name: str,
        scopes: Iterable[str] | None = None,
        expires_at: datetime | None = None,
    ) -> NewAccessKey:
        """Make an access key for the tenant.

        Raises :class:`~mt_paas.errors.TenantNotFound`, and :class:`~mt_paas.errors.InvalidBody` for a name, scopes or
        an end that no key has.
        """
        wanted = None if scopes is None else sorted(set(scopes))
        _require_sane(name, wanted, expires_at, self._clock())
        async with self._transaction() as session:
            if not rows.tenant(await rows.locked(session, tenant_id)).is_known:
                raise rows.unknown(tenant_id)
            row, secret = self._new(tenant_id, name, wanted, expires_at)
            session.add(row)
            await session.flush()
            new = NewAccessKey(_key(row), secret)
        self._changed(tenant_id)
        return new

    async def list(self, tenant_id: str) -> tuple[AccessKey, ...]:
        """Return the tenant's access keys, oldest first; ended ones too."""
        async with self._transaction() as session:
            mine = select(AccessKeyRow).where(AccessKeyRow.tenant_id == tenant_id).order_by(AccessKeyRow.id)
            return tuple(_key(row) for row in await session.scalars(mine))

    async def rotate(self, tenant_id: str, key_id: int, *, grace: timedelta = timedelta(0)) -> NewAccessKey:
        """Replace a key by a new one of the same name, scopes and end; the old one works for ``grace`` longer.

        Raises :class:`~mt_paas.errors.NotFound` where the tenant has no such key, or it has ended.
        """
        now = self._clock()
        async with self._transaction() as session:
            old = await session.scalar(_one(tenant_id, key_id))
            if old is None or not _key(old).is_valid(now):
                raise _no_such_key(key_id)
            row, secret = self._new(tenant_id, old.name, old.scopes, old.expires_at)
            session.add(row)
            old.expires_at = now + grace if old.expires_at is None else min(now + grace, old.expires_at)
            await session.flush()
            new = NewAccessKey(_key(row), secret)
        self._changed(tenant_id)
        return new

    async def revoke(self, tenant_id: str, key_id: int) -> None:
        """End a key now; one that has ended is fine. Raises :class:`~mt_paas.errors.NotFound` where there is none."""
        now = self._clock()
        async with self._transaction() as session:
            row = await session.scalar(_one(tenant_id, key_id))
            if row is None:
                raise _no_such_key(key_id)
            row.expires_at = now if row.expires_at is None else min(now, row.expires_at)
        self._changed(tenant_id)

    async def find(self, digest: str) -> AccessKey | None:
        """Return the access key with this digest, ended or not."""
        async with self._transaction() as session:
            row = await session.scalar(select(AccessKeyRow).where(AccessKeyRow.digest == digest))
            return _key(row) if row is not None else None

    def _new(
        self, tenant_id: str, name: str, scopes: Iterable[str] | None, expires_at: datetime | None
    ) -> tuple[AccessKeyRow, str]:
        secret = mint_token(KEY_PREFIX)
        row = AccessKeyRow(
            tenant_id=tenant_id,
            digest=digest_token(secret),
            name=name,
            scopes=None if scopes is None else [*scopes],
            created_at=self._clock(),
            expires_at=expires_at,
        )
        return row, secret


def _one(tenant_id: str, key_id: int) -> Select[AccessKeyRow]:
    mine = select(AccessKeyRow).where(AccessKeyRow.tenant_id == tenant_id, AccessKeyRow.id == key_id)
    return mine.with_for_update()


def _key(row: AccessKeyRow) -> AccessKey:
    return AccessKey(
        key_id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        scopes=None if row.scopes is None else frozenset(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        digest=row.digest,
    )


def _no_such_key(key_id: int) -> NotFound:
    return NotFound(f"The tenant has no access key {key_id} that could be replaced or ended.")


def _require_sane(name: str, scopes: list[str] | None, expires_at: datetime | None, now: datetime) -> None:
    faults = {
        "name: 1 to 200 visible characters, no blanks around them": not _NAME.fullmatch(name),
        f'scopes: at most {_MANY_SCOPES} of 1 to 100 visible ASCII characters other than " and \\': scopes is not None
        and (len(scopes) > _MANY_SCOPES or not all(_SCOPE.fullmatch(scope) for scope in scopes)),
        "expires_at: a moment to come, with its time zone": expires_at is not None
        and (expires_at.tzinfo is None or expires_at <= now),
    }
    wrong = [rule for rule, broken in faults.items() if broken]
    if wrong:
        details = [{"path": rule.partition(":")[0], "message": rule.partition(": ")[2]} for rule in wrong]
        raise InvalidBody(f"No access key is like this: {'; '.join(wrong)}.", details=details)
