"""The application: the page, its API under ``/simulator/``, and under ``/api/v1/`` what a service calls at a market."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from importlib.resources import files
from typing import Any
from uuid import uuid4

from mt_paas.core.lifecycle import TenantStatus
from mt_paas.errors import ConfigurationError, MissingExtraError, ServiceCallError
from mt_paas.simulator import steps
from mt_paas.simulator.commands import Session
from mt_paas.simulator.incoming import Refused
from mt_paas.simulator.journal import Level
from mt_paas.simulator.tenants import SimulatedTenant

try:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response, StreamingResponse
    from starlette.routing import Route
except ModuleNotFoundError as error:
    raise MissingExtraError("mt_paas.simulator", "simulator") from error

from mt_paas.simulator.web.guard import Guard

__all__ = ["create_app"]

_MAX_BODY = 256 * 1024
_MAX_COMMAND = 2000  # characters
_HEARTBEAT = 15.0  # seconds after which a silent stream says that it is there
_FILES = {
    "/": ("index.html", "text/html"),
    "/app.js": ("app.js", "text/javascript"),
    "/style.css": ("style.css", "text/css"),
}


def create_app(session: Session) -> Starlette:
    """Return the application over ``session``."""
    pages = [
        Route(path, partial(_file, name=name, media_type=media_type)) for path, (name, media_type) in _FILES.items()
    ]
    app = Starlette(
        routes=[
            *pages,
            Route("/simulator/state", _state),
            Route("/simulator/log", _log),
            Route("/simulator/commands", _command, methods=["POST"]),
            Route("/simulator/knobs", _knobs, methods=["PATCH"]),
            Route("/api/v1/events", _event, methods=["POST"]),
            Route("/api/v1/tenants/{tenant_id}", _tenant),
            Route("/api/v1/tenants/{tenant_id}/usage", _usage, methods=["POST"]),
            Route("/api/v1/tenants/{tenant_id}/status", _status, methods=["PATCH"]),
            Route("/api/v1/tenants/{tenant_id}/provision", _provision, methods=["POST"]),
        ],
        middleware=[Middleware(Guard)],
        exception_handlers={Refused: _refused},
    )
    app.state.session = session
    app.state.tasks = set()
    return app


async def _file(_: Request, *, name: str, media_type: str) -> Response:
    content = files("mt_paas.simulator.web").joinpath("page", name).read_bytes()
    return Response(content, media_type=media_type)


async def _state(request: Request) -> Response:
    session = _session(request)
    market = session.market
    return JSONResponse(
        {
            "service": market.registration.as_dict(),
            "health": {"status": session.health.status, "is_alerting": session.health.is_alerting},
            "tenants": [tenant.as_dict() for tenant in market.tenants],
            "knobs": market.knobs.as_dict(),
            "seed": market.dice.seed,
            "faults": market.faults,
            "commands": [command.as_dict() for command in session.offered()],
            "events": [received.as_dict() for received in session.inbox.received][-200:],
        }
    )


async def _log(request: Request) -> Response:
    """Stream the journal as server-sent events: what there is, and each entry that comes."""
    given = request.headers.get("last-event-id", "0")
    after = int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else 0
    journal = _session(request).market.journal
    if after > journal.last:  # of an earlier run at this address
        after = 0

    async def stream() -> AsyncIterator[str]:
        yield "retry: 1000\n\n"
        entries = journal.follow(after)
        upcoming = asyncio.ensure_future(anext(entries))
        try:
            while True:
                await asyncio.wait({upcoming}, timeout=_HEARTBEAT)
                if not upcoming.done():
                    yield ": still here\n\n"
                    continue
                try:
                    entry = upcoming.result()
                except StopAsyncIteration:
                    return
                yield f"id: {entry.sequence}\ndata: {json.dumps(entry.as_dict(), ensure_ascii=False)}\n\n"
                upcoming = asyncio.ensure_future(anext(entries))
        finally:
            upcoming.cancel()

    return StreamingResponse(stream(), media_type="text/event-stream")


async def _command(request: Request) -> Response:
    body = _object(await _body(request))
    line = body.get("command")
    if not isinstance(line, str) or not line.strip() or len(line) > _MAX_COMMAND or "\n" in line:
        raise Refused(422, "invalid_body", '"command" is one line, such as "activate hallym_univ premium"')
    session = _session(request)
    outcome = await session.run(line)
    if outcome is None:
        raise Refused(422, "invalid_body", "there is no command in this line")
    return JSONResponse(outcome.as_dict(), 422 if outcome.is_usage else 200)


async def _knobs(request: Request) -> Response:
    market = _session(request).market
    try:
        return JSONResponse(market.turn(_object(await _body(request))).as_dict())
    except ConfigurationError as error:
        raise Refused(422, "invalid_body", str(error)) from None


async def _event(request: Request) -> Response:
    headers = {name.lower(): value for name, value in request.headers.items()}
    await _session(request).inbox.take_event(_authorization(request), headers, await _body(request))
    return Response(status_code=204)


async def _tenant(request: Request) -> Response:
    tenant = _session(request).inbox.look_up(_authorization(request), request.path_params["tenant_id"])
    return _data(tenant.as_dict())


async def _usage(request: Request) -> Response:
    inbox = _session(request).inbox
    return _data(
        await inbox.take_usage(_authorization(request), request.path_params["tenant_id"], await _body(request))
    )


async def _status(request: Request) -> Response:
    inbox = _session(request).inbox
    return _data(
        await inbox.take_status(_authorization(request), request.path_params["tenant_id"], await _body(request))
    )


async def _provision(request: Request) -> Response:
    session = _session(request)
    tenant = session.inbox.look_up(_authorization(request), request.path_params["tenant_id"])
    if not tenant.may_become(TenantStatus.PROVISIONING):
        raise Refused(409, "illegal_transition", f"the tenant is {tenant.state}, and needs no provisioning")
    task = asyncio.create_task(_activated(session, tenant))
    request.app.state.tasks.add(task)
    task.add_done_callback(request.app.state.tasks.discard)
    return _data({"id": str(uuid4()), "kind": "activate", "state": "queued", "tenant_id": tenant.tenant_id}, 202)


async def _activated(session: Session, tenant: SimulatedTenant) -> None:
    async with session.market.locks[tenant.tenant_id]:
        try:
            await steps.activate(session.market, tenant, tenant.request)
        except ServiceCallError as error:
            session.market.journal.note(Level.REFUSED, str(error), tenant_id=tenant.tenant_id)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 - what the handler is registered for
    return JSONResponse({"error": error.error, "message": error.message}, error.status)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_BODY:
            raise Refused(413, "body_too_large", f"a body of more than {_MAX_BODY // 1024} KiB is not read")
    return bytes(body)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise Refused(422, "invalid_body", "expected a JSON object")
    return content


def _data(content: Any, status: int = 200) -> Response:
    return JSONResponse({"data": content, "meta": {}}, status)


def _authorization(request: Request) -> str:
    return request.headers.get("authorization", "")


def _session(request: Request) -> Session:
    session: Session = request.app.state.session
    return session
