"""The REST API, as an ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.openapi.utils import get_openapi

from service_market.assembly import ROUTERS, Market
from service_market.core import problems
from service_market.core.envelope import Envelope, Wire
from service_market.core.errors import Forbidden, Unauthenticated
from service_market.core.principal import Principal
from service_market.middleware.authentication import AuthenticationMiddleware
from service_market.middleware.body_limit import BodyLimitMiddleware
from service_market.middleware.failures import FailuresMiddleware
from service_market.middleware.request_id import RequestIdMiddleware
from service_market.rooms.identity import public as identity
from service_market.rooms.identity.errors import TokenExpired, TokenRevoked, TokenUnknown

__all__ = ["API_PREFIX", "CALLBACK_ROUTES", "PUBLIC_ROUTES", "create_app"]

API_PREFIX = "/api/v1"
#: The routes that anybody may call. Every other one says which permission it needs.
PUBLIC_ROUTES = frozenset({f"{API_PREFIX}/health", f"{API_PREFIX}/openapi.json", "/"})
#: The routes that a tenant's call-back opens, and no token of the API.
CALLBACK_ROUTES = frozenset({f"{API_PREFIX}/callbacks/{{tenant_id}}/events"})
_REFUSALS = (Unauthenticated, TokenUnknown, TokenExpired, TokenRevoked, Forbidden)


class HealthOut(Wire):
    """That the market answers."""

    status: str
    version: str


def create_app(market: Market) -> FastAPI:
    """Return the API of ``market``."""
    app = FastAPI(
        title="Service Market",
        version=version("service-market"),
        summary="A self-hosted market for multi-tenant services.",
        description=_DESCRIPTION,
        openapi_url=f"{API_PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        license_info={"name": "MIT", "identifier": "MIT"},
    )
    app.state.kernel = market.kernel
    problems.install(app)

    @app.get("/", include_in_schema=False)
    async def index() -> dict[str, str]:
        return {"name": "Service Market", "api": API_PREFIX, "openapi": f"{API_PREFIX}/openapi.json"}

    @app.get(f"{API_PREFIX}/health", operation_id="getHealth", summary="Whether the market answers", tags=["market"])
    async def health(request: Request) -> Envelope[HealthOut]:
        """Answer when the API and its database do."""
        await request.app.state.kernel.database.ping()
        return Envelope(data=HealthOut(status="healthy", version=app.version))

    for router in ROUTERS:
        app.include_router(router, prefix=API_PREFIX, responses=problems.answers(*_REFUSALS))

    app.add_middleware(GZipMiddleware, minimum_size=2048)
    app.add_middleware(AuthenticationMiddleware, authenticate=_authenticator(market))
    app.add_middleware(BodyLimitMiddleware, limit=market.settings.api.max_body_bytes)
    app.add_middleware(FailuresMiddleware)
    app.add_middleware(RequestIdMiddleware)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


def _authenticator(market: Market) -> Callable[[str], Awaitable[Principal]]:
    async def authenticate(token: str) -> Principal:
        return await identity.authenticate(market.kernel, token)

    return authenticate


_DESCRIPTION = """Success is `{data, meta}`; lists are pages (`meta.next_cursor`, `meta.total`); a failure is
`application/problem+json` (RFC 9457) that also carries `error`, `message` and `request_id`. Work that goes on after
the answer is an operation to poll: `meta.operation`. Every mutation takes an `Idempotency-Key`.
"""


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            license_info=app.license_info,
        )
        components = document.setdefault("components", {})
        components["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "bearerFormat": "mtp_…"},
            "callback": {"type": "http", "scheme": "bearer", "bearerFormat": "mtc_…"},
        }
        components["schemas"]["Problem"] = problems.Problem.model_json_schema(
            ref_template="#/components/schemas/{model}"
        )
        for unused in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(unused, None)
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                _complete(path, method, operation)
        app.openapi_schema = document
    return app.openapi_schema


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """Say of an operation what FastAPI can not know: security, idempotency key, and the shape of its failures."""
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    answers = operation["responses"]
    if "422" in answers and "application/problem+json" not in answers["422"].get("content", {}):
        answers["422"] = {"description": "`invalid_body`: what was sent can not be used.", "content": problem}
    operation["responses"] = dict(sorted(answers.items()))
    if path in PUBLIC_ROUTES:
        operation["security"] = []
        return
    if path in CALLBACK_ROUTES:
        operation["security"] = [{"callback": []}]
        return
    operation["security"] = [{"token": []}]
    if method != "get":
        operation.setdefault("parameters", []).append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "The same key with the same request again gets the same answer, and is done once.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            }
        )
