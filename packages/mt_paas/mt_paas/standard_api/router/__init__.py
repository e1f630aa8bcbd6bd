"""The Standard API as a FastAPI router: it reads a call, asks the handler, and answers in the contract's shape.

A call is taken in one order, and stops at the first thing that is wrong: request id, key, version, whether the service
offers the call, ids, query, body, path against body, plan, handler. Whatever happens, also in a handler that breaks,
the answer is one of the contract: the router needs no exception handlers of the application, and no text of an
unexpected exception leaves the service. What middleware and limits of the application answer before a call arrives
here is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mt_paas.errors import ConfigurationError, MissingExtraError, NotFound
from mt_paas.standard_api.auth import DEFAULT_HEADER, ApiKeys
from mt_paas.standard_api.handler import StandardAPIHandler

try:
    from fastapi import APIRouter
    from starlette.convertors import PathConvertor, register_url_convertor
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route
except ModuleNotFoundError as error:
    raise MissingExtraError("mt_paas.standard_api.router", "fastapi") from error

from mt_paas.standard_api.answers import ContractRoute, Elsewhere
from mt_paas.standard_api.describe import DESCRIPTIONS
from mt_paas.standard_api.router.calls import Calls, Terms
from mt_paas.standard_api.router.legacy import add_legacy_aliases
from mt_paas.standard_api.router.offer import Offer
from mt_paas.standard_api.router.routes import add_call, answer_for_methods

if TYPE_CHECKING:
    from mt_paas.standard_api.manifest import Manifest

__all__ = ["create_standard_router"]


class _AnythingConvertor(PathConvertor):
    """The rest of an address, line breaks too: Starlette's own ``path`` stops at one."""

    regex = "(?s:.*)"


register_url_convertor("mt_anything", _AnythingConvertor())

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


def create_standard_router(
    handler: StandardAPIHandler,
    *,
    manifest: Manifest | None = None,
    api_key: str | None = None,
    api_keys: Iterable[str] = (),
    header: str | None = None,
    header_aliases: Iterable[str] | None = None,
    prefix: str = "/mt",
    manifest_path: str | None = None,
    max_body_bytes: int = 1024 * 1024,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    legacy_aliases: bool = False,
) -> APIRouter:
    """Return a router that offers ``handler`` as the Standard API, versions 1 and 2 with their extensions.

    ``api_key`` is the market's key; while one key replaces another, give both as ``api_keys``. They come in
    ``header`` or in one of ``header_aliases``, by default those that the manifest names. With a manifest, the calls
    that it does not declare answer 501, and plans that it does not have are refused; without one, the calls that
    ``handler`` does not override. The router answers everything under ``prefix``: include it after routes of your own
    there. ``manifest_path`` is where your application shows its manifest, for those who ask what is offered.
    ``legacy_aliases`` offers the older addresses of a market too, outside of the prefix. Raises ``ConfigurationError``
    without a key, or with one that could be guessed.
    """
    if manifest is not None and handler.service_version == StandardAPIHandler.service_version:
        handler.service_version = manifest.service.version
    if max_body_bytes < 1:
        raise ConfigurationError(f"max_body_bytes is {max_body_bytes}; no body would fit: set at least 1")
    if not _PREFIX.fullmatch(prefix):
        raise ConfigurationError(f'prefix is {prefix!r}; write it as "/mt": with a slash before it and none behind it')
    if header_aliases is None:
        header_aliases = manifest.auth.header_aliases if manifest is not None else ()
    keys = ApiKeys(
        [*([] if api_key is None else [api_key]), *api_keys],
        header=header or (manifest.auth.header if manifest is not None else DEFAULT_HEADER),
        aliases=header_aliases,
    )
    calls = Calls(handler, Offer(handler, manifest), Terms(keys, max_body_bytes, clock, manifest_path))
    router = APIRouter(route_class=ContractRoute)
    for call in DESCRIPTIONS:
        endpoint = calls.endpoint(call, getattr(calls, call.call))
        add_call(router, prefix + call.path, call, endpoint, calls)
    if legacy_aliases:
        add_legacy_aliases(router, prefix, calls)
    for path in (prefix, f"{prefix}/{{path:mt_anything}}"):
        if path:
            router.routes.append(Route(path, Elsewhere(_answer_elsewhere), include_in_schema=False))
    return router


def _answer_elsewhere(request: Request) -> Response:
    """Answer what is no call of the contract: OPTIONS, another method, another address."""
    path = f"/{request.path_params.get('path', '')}"
    methods = [call.method for call in DESCRIPTIONS if call.pattern.fullmatch(path)]
    if not methods:
        raise NotFound
    return answer_for_methods(request, methods)
