"""How a call becomes routes, and what an address answers to the methods that it does not take."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from mt_paas.errors import MethodNotAllowed
from mt_paas.standard_api.describe import CallDescription, key_schemes
from mt_paas.standard_api.router.calls import Calls

__all__ = ["add_call", "answer_for_methods"]


def add_call(
    router: APIRouter,
    path: str,
    call: CallDescription,
    endpoint: Callable[[Request], Awaitable[Response]],
    calls: Calls,
) -> None:
    """Add the routes of one call. One that is not offered has them too, to say so, and stands in no document."""
    router.add_api_route(
        path,
        endpoint,
        methods=[call.method],
        name=call.call,
        operation_id=call.operation_id,
        tags=[call.tag],
        summary=call.summary,
        description=call.text,
        deprecated=bool(call.successor) or None,
        status_code=call.status,
        response_class=Response,
        response_model=call.models,
        response_description=call.answers[0].meaning,
        responses=call.responses(calls.offer.names),
        openapi_extra=call.operation(calls.offer.versions, calls.offer.plans),
        dependencies=key_schemes(calls.terms.keys) if call.needs_key else [],
        include_in_schema=calls.offer.has(call),
    )
    if call.method == "GET":
        router.add_api_route(path, endpoint, methods=["HEAD"], response_model=None, include_in_schema=False)


def answer_for_methods(request: Request, methods: Sequence[str]) -> Response:
    """Answer OPTIONS, or refuse a method, at an address that takes ``methods``."""
    with_head = [name for method in methods for name in ((method, "HEAD") if method == "GET" else (method,))]
    allowed = ", ".join([*with_head, "OPTIONS"])
    if request.method == "OPTIONS":
        return Response(status_code=204, headers={"Allow": allowed})
    raise MethodNotAllowed(f"This address takes {allowed}.", headers={"Allow": allowed})
