"""``Idempotency-Key``: the same request again gets the same answer, and is done once.

The key is claimed by a row in the request's own transaction. A second request with it waits for the first to commit
(the unique index makes it) and then reads the recorded answer; when the first fails, its claim goes with its
rollback. There is no state in between, and no clean-up after a crash. An answer that holds a secret (``Cache-Control:
no-store``) is not kept: its repetition is refused, and done only once all the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from service_market.core import guard
from service_market.core.db import Base
from service_market.core.errors import AnswerNotKept, IdempotencyKeyReused, Invalid, Unauthenticated
from service_market.core.principal import Principal
from service_market.core.uow import Kernel, UnitOfWork

__all__ = ["IDEMPOTENCY_HEADER", "IdempotencyRecord", "MarketRoute", "forget"]

IDEMPOTENCY_HEADER = "Idempotency-Key"
_MUTATIONS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_LONGEST_KEY = 255


class IdempotencyRecord(Base):
    """A key that a caller used, what it was used for, and what was answered."""

    __tablename__ = "idempotency_record"

    token_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    status: Mapped[int | None]
    body: Mapped[bytes | None]
    headers: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(index=True)


class MarketRoute(APIRoute):
    """A route for callers with a token, whose handler runs in one unit of work, committed before the answer is sent.

    A caller without one learns nothing of what else is wrong with the request; its body is not read.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler that FastAPI calls, wrapped in its unit of work."""
        handle = super().get_route_handler()

        async def in_unit_of_work(request: Request) -> Response:
            kernel: Kernel = request.app.state.kernel
            principal: Principal | None = getattr(request.state, "principal", None)
            if principal is None or principal.token_id is None:
                raise getattr(request.state, "refusal", Unauthenticated)
            key = request.headers.get(IDEMPOTENCY_HEADER)
            body = await request.body()
            guard.check(request, body if self.body_field else b"")
            async with kernel.unit(principal) as uow:
                request.state.uow = uow
                if key is None or request.method not in _MUTATIONS:
                    return await handle(request)
                recorded = await _claim(uow, principal.token_id, key, request, body)
                if recorded is not None:
                    return recorded
                response = await handle(request)
                await _record(uow, principal.token_id, key, response)
                return response

        return in_unit_of_work


async def forget(kernel: Kernel, *, older_than: timedelta) -> None:
    """Delete the records of requests that were made longer ago: nobody repeats them any more."""
    async with kernel.unit() as uow:
        await uow.session.execute(
            delete(IdempotencyRecord).where(IdempotencyRecord.created_at < uow.now() - older_than)
        )


async def _claim(uow: UnitOfWork, token_id: UUID, key: str, request: Request, body: bytes) -> Response | None:
    if not 0 < len(key) <= _LONGEST_KEY or not key.isprintable():
        raise Invalid(f"an {IDEMPOTENCY_HEADER} is 1 to {_LONGEST_KEY} printable characters")
    asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + body
    fingerprint = hashlib.sha256(asked).hexdigest()
    claimed = await uow.session.execute(
        insert(IdempotencyRecord)
        .values(token_id=token_id, key=key, fingerprint=fingerprint, created_at=uow.now())
        .on_conflict_do_nothing()
        .returning(IdempotencyRecord.key)
    )
    if claimed.first() is not None:
        return None
    record = (
        await uow.session.execute(
            select(IdempotencyRecord).where(IdempotencyRecord.token_id == token_id, IdempotencyRecord.key == key)
        )
    ).scalar_one()
    if record.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    if record.body is None:
        raise AnswerNotKept
    return Response(record.body, record.status or 200, {**(record.headers or {}), "Idempotency-Replayed": "true"})


async def _record(uow: UnitOfWork, token_id: UUID, key: str, response: Response) -> None:
    kept = {name: value for name, value in response.headers.items() if name in {"content-type", "location"}}
    secret = response.headers.get("cache-control") == "no-store"
    await uow.session.execute(
        update(IdempotencyRecord)
        .where(IdempotencyRecord.token_id == token_id, IdempotencyRecord.key == key)
        .values(status=response.status_code, body=None if secret else bytes(response.body), headers=kept)
    )
