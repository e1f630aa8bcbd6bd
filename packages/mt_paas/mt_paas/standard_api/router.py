"""The Standard API as a FastAPI router: it reads a call, asks the handler, and answers in the contract's shape.

A call is taken in one order, and stops at the first thing that is wrong: request id, key, tenant id, body, path
against body, plan, handler. Whatever happens, also in a handler that breaks, the answer is one of the contract: the
router needs no exception handlers of the application, and no text of an unexpected exception leaves the service.
What middleware and limits of the application answer before a call arrives here is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from mt_paas.errors import (
    BodyTooLarge,
    ConfigurationError,
    InvalidBody,
    InvalidPlan,
    InvalidTenantId,
    MethodNotAllowed,
    MissingExtraError,
    NotFound,
    TenantIdMismatch,
)
from mt_paas.standard_api.auth import DEFAULT_HEADER, ApiKeys
from mt_paas.standard_api.handler import StandardAPIHandler, call_context, in_call
from mt_paas.standard_api.models import (
    TENANT_ID_PATTERN,
    ActivateRequest,
    ActivateResponse,
    ContractModel,
    DeactivateRequest,
    DeactivateResponse,
    Health,
    StatusResponse,
    UsageResponse,
)
from mt_paas.standard_api.periods import resolve_period
from mt_paas.standard_api.wire import WireError, is_json, read

try:
    from fastapi import APIRouter
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import Response
    from starlette.routing import Route
except ModuleNotFoundError as error:
    raise MissingExtraError("mt_paas.standard_api.router", "fastapi") from error

from mt_paas.standard_api.answers import ContractRoute, Elsewhere
from mt_paas.standard_api.describe import DESCRIPTIONS, key_scheme

if TYPE_CHECKING:
    from mt_paas.standard_api.manifest import Manifest

__all__ = ["create_standard_router"]

_TENANT_ID = re.compile(TENANT_ID_PATTERN)
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")

Model = TypeVar("Model", bound=ContractModel)


def create_standard_router(
    handler: StandardAPIHandler,
    *,
    manifest: Manifest | None = None,
    api_key: str | None = None,
    api_keys: Iterable[str] = (),
    header: str | None = None,
    prefix: str = "/mt",
    max_body_bytes: int = 1024 * 1024,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> APIRouter:
    """Return a router that offers ``handler`` as the Standard API, version 1.

    ``api_key`` is the market's key; while one key replaces another, give both as ``api_keys``. They come in
    ``header``, by default the one that the manifest names. With a manifest, plans that it does not have are refused.
    The router answers everything under ``prefix``: include it after routes of your own there. Raises
    ``ConfigurationError`` without a key, or with one that could be guessed.
    """
    if manifest is not None and handler.service_version == StandardAPIHandler.service_version:
        handler.service_version = manifest.service.version
    if max_body_bytes < 1:
        raise ConfigurationError(f"max_body_bytes is {max_body_bytes}; no body would fit: set at least 1")
    keys = ApiKeys(
        [*([] if api_key is None else [api_key]), *api_keys],
        header=header or (manifest.auth.header if manifest is not None else DEFAULT_HEADER),
    )
    calls = _Calls(handler, keys, manifest.plans if manifest is not None else (), max_body_bytes, clock)
    router = APIRouter(prefix=prefix, route_class=ContractRoute, tags=["Standard API"])
    for description in DESCRIPTIONS:
        endpoint = getattr(calls, description.call)
        router.add_api_route(
            description.path,
            endpoint,
            methods=[description.method],
            operation_id=f"mt_{description.call}",
            summary=description.summary,
            response_model=description.answer,
            responses=description.responses(),
            openapi_extra=description.extra(),
            dependencies=[key_scheme(keys)] if description.needs_key else [],
        )
        if description.method == "GET":
            router.add_api_route(description.path, endpoint, methods=["HEAD"], include_in_schema=False)
    for path in (prefix, f"{prefix}/{{path:path}}"):
        if path:
            router.routes.append(Route(path, Elsewhere(_answer_elsewhere), include_in_schema=False))
    return router


class _Calls:
    """The calls of the contract, each from its request to the bytes of its answer."""

    def __init__(
        self,
        handler: StandardAPIHandler,
        keys: ApiKeys,
        plans: tuple[str, ...],
        max_body_bytes: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._handler = handler
        self._keys = keys
        self._plans = plans
        self._max_body_bytes = max_body_bytes
        self._clock = clock

    async def health(self, request: Request) -> Response:
        return _answer(Health, await self._handler.health())

    async def activate_tenant(self, request: Request) -> Response:
        tenant_id = self._admit(request)
        body = await self._body(ActivateRequest, request)
        if body.tenant_id != tenant_id:
            raise TenantIdMismatch(f"The path names {tenant_id}, the body {body.tenant_id}.")
        if self._plans and body.plan not in self._plans:
            message = f"The service has no plan {body.plan}; it has {', '.join(self._plans)}."
            raise InvalidPlan(message, details={"plans": list(self._plans)})
        with in_call(replace(call_context(), idempotency_key=_idempotency_key(request))):
            return _answer(ActivateResponse, await self._handler.activate_tenant(body), tenant_id=tenant_id)

    async def deactivate_tenant(self, request: Request) -> Response:
        tenant_id = self._admit(request)
        body = await self._body(DeactivateRequest, request)
        if body.tenant_id not in {None, tenant_id}:
            raise TenantIdMismatch(f"The path names {tenant_id}, the body {body.tenant_id}.")
        with in_call(replace(call_context(), idempotency_key=_idempotency_key(request))):
            result = await self._handler.deactivate_tenant(tenant_id, body)
        return _answer(DeactivateResponse, result, tenant_id=tenant_id)

    async def get_tenant_status(self, request: Request) -> Response:
        tenant_id = self._admit(request)
        return _answer(StatusResponse, await self._handler.get_tenant_status(tenant_id), tenant_id=tenant_id)

    async def get_tenant_usage(self, request: Request) -> Response:
        tenant_id = self._admit(request)
        period = resolve_period(request.query_params.get("period", "monthly"), self._clock())
        result = await self._handler.get_tenant_usage(tenant_id, period)
        return _answer(UsageResponse, result, tenant_id=tenant_id, period=period)

    def _admit(self, request: Request) -> str:
        """Check the key, then the tenant id of the path; return the tenant id."""
        self._keys.check(request.headers.getlist(self._keys.header))
        tenant_id: str = request.path_params["tenant_id"]
        if not _TENANT_ID.fullmatch(tenant_id):
            raise InvalidTenantId
        return tenant_id

    async def _body(self, model: type[Model], request: Request) -> Model:
        if not is_json(request.headers.get("content-type", "")):
            raise InvalidBody("The body is JSON in UTF-8: send it with Content-Type: application/json.")
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise InvalidBody("The body came compressed: send it as it is, without Content-Encoding.")
        try:
            return read(model, await self._raw_body(request))
        except WireError as error:
            details = [{"path": fault.path, "message": fault.message} for fault in error.faults]
            raise InvalidBody(f"The body is not what this call takes: {error}", details=details) from None

    async def _raw_body(self, request: Request) -> bytes:
        raw = bytearray()
        try:
            async for piece in request.stream():
                raw += piece
                if len(raw) > self._max_body_bytes:
                    raise BodyTooLarge(f"The body is larger than {self._max_body_bytes} bytes.")
        except ClientDisconnect:
            raise InvalidBody("The body broke off.") from None
        return bytes(raw)


def _idempotency_key(request: Request) -> str | None:
    values = request.headers.getlist("Idempotency-Key")
    if not values:
        return None
    if len(values) > 1 or not _IDEMPOTENCY_KEY.fullmatch(values[0]):
        raise InvalidBody("Idempotency-Key is one value of 1 to 255 visible ASCII characters.")
    return values[0]


def _answer(model: type[ContractModel], result: ContractModel, **expected: str) -> Response:
    """Return what the handler returned as an answer, or raise ``WireError`` if the contract does not allow it.

    The document is read back as a caller would read it: a model can be built past its own validation, and an answer
    about another tenant is worse than none.
    """
    if not isinstance(result, model):
        raise TypeError(f"the handler returned {type(result).__name__}, expected {model.__name__}")
    raw = result.model_dump_json(warnings="error").encode()
    answer = read(model, raw)
    for name, value in expected.items():
        if getattr(answer, name) != value:
            raise ValueError(f"the handler answered with another {name} than the one that was asked for")
    return Response(raw, media_type="application/json")


def _answer_elsewhere(request: Request) -> Response:
    """Answer what is no call of the contract: OPTIONS, another method, another address."""
    path = f"/{request.path_params.get('path', '')}"
    for description in DESCRIPTIONS:
        if description.pattern.fullmatch(path):
            allowed = "GET, HEAD, OPTIONS" if description.method == "GET" else f"{description.method}, OPTIONS"
            if request.method == "OPTIONS":
                return Response(status_code=204, headers={"Allow": allowed})
            raise MethodNotAllowed(f"This address takes {allowed}.", headers={"Allow": allowed})
    raise NotFound
