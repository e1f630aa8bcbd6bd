"""What surrounds every answer of the router: the call's context before it, and the contract's error shape after it."""

from __future__ import annotations

import logging
import os
import re
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mt_paas.errors import (
    BodyTooLarge,
    ContractError,
    InternalError,
    InvalidBody,
    MethodNotAllowed,
    MtPaasError,
    NotFound,
    ServiceNotReady,
)
from mt_paas.standard_api.handler import CallContext, in_call
from mt_paas.standard_api.problem import PROBLEM_TYPE, problem_json

__all__ = [
    "ContractRoute",
    "Elsewhere",
    "answer_with",
    "call_context_of",
    "in_shape",
    "problem_response",
]

logger = logging.getLogger("mt_paas.standard_api")

_HEADERS = "mt_paas.headers"  # a key of the ASGI scope
_REQUEST_ID = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,128}")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_CONTRACT_WORDS: dict[int, type[ContractError]] = {
    error.status: error for error in (NotFound, MethodNotAllowed, BodyTooLarge, ServiceNotReady)
}


class ContractRoute(APIRoute):
    """A FastAPI route whose every answer has the contract's shape, also when a dependency of the application fails."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's own way of answering, inside :func:`in_shape`."""
        answer = super().get_route_handler()

        async def answer_in_shape(request: Request) -> Response:
            return await in_shape(request, answer)

        return answer_in_shape


class Elsewhere:
    """An ASGI application, in the same shape, for what no route answers. It takes every method."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def answer(request: Request) -> Response:
            return self._answer(request)

        response = await in_shape(Request(scope, receive), answer)
        await response(scope, receive, send)


async def in_shape(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Return what ``answer`` returns, or its failure as a problem document; with the headers of every answer.

    An unexpected exception is logged by its type and the places that it passed through. Its text can quote what the
    caller sent, so it is in the log only at level DEBUG, and never in the answer.
    """
    context = call_context_of(request)
    with in_call(context):
        try:
            response = await answer(request)
        except ContractError as error:
            response = problem_response(error, context.request_id)
        except HTTPException as error:
            response = problem_response(_from_http(error), context.request_id)
        except RequestValidationError as error:
            faults = [
                {"path": ".".join(str(step) for step in fault["loc"]), "message": fault["msg"]}
                for fault in error.errors()
            ]
            response = problem_response(InvalidBody(details=faults), context.request_id)
        except Exception as error:  # noqa: BLE001 - the last line: what breaks in a handler becomes an answer
            _log_unexpected(error, request, context.request_id)
            response = problem_response(InternalError(), context.request_id)
    response.headers["X-Request-ID"] = context.request_id
    response.headers["Cache-Control"] = "no-store"
    response.headers.update(request.scope.get(_HEADERS, {}))
    return response


def answer_with(request: Request, headers: Mapping[str, str]) -> None:
    """Have ``headers`` in the answer to ``request``, whatever it will be."""
    request.scope[_HEADERS] = {**request.scope.get(_HEADERS, {}), **headers}


def call_context_of(request: HTTPConnection) -> CallContext:
    """Return the ids that came with ``request``; what is missing or not sane is made anew or left out."""
    request_ids, traceparents = [], []
    for name, value in request.scope["headers"]:  # every request of a tenant comes through here
        if name == b"x-request-id":
            request_ids.append(value.decode("latin-1"))
        elif name == b"traceparent":
            traceparents.append(value.decode("latin-1"))
    is_sane = len(request_ids) == 1 and _REQUEST_ID.fullmatch(request_ids[0])
    return CallContext(
        request_id=request_ids[0] if is_sane else os.urandom(16).hex(),
        traceparent=traceparents[0] if len(traceparents) == 1 and _TRACEPARENT.fullmatch(traceparents[0]) else None,
    )


def problem_response(error: ContractError, request_id: str) -> Response:
    """Return ``error`` as a response in the contract's one error shape."""
    body = problem_json(error, request_id)
    return Response(body, status_code=error.status, headers=error.headers, media_type=PROBLEM_TYPE)


def _from_http(error: HTTPException) -> ContractError:
    known = _CONTRACT_WORDS.get(error.status_code, ContractError)
    contract_error = known(str(error.detail), headers=error.headers)
    if known is ContractError:
        contract_error.status = error.status_code
        contract_error.code = _word_of(error.status_code)
        contract_error.retryable = error.status_code == HTTPStatus.TOO_MANY_REQUESTS
    return contract_error


def _word_of(status: int) -> str:
    try:
        return HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_")
    except ValueError:  # a status of the application's own
        return f"http_{status}"


def _log_unexpected(error: Exception, request: Request, request_id: str) -> None:
    what = f"{type(error).__name__}: {error}" if isinstance(error, MtPaasError) else type(error).__name__
    places = "".join(traceback.format_tb(error.__traceback__))
    path = request.scope["path"]  # quoted below: it can hold line breaks
    logger.error("%s %r broke: %s (request %s)\n%s", request.method, path, what, request_id, places)
    logger.debug("request %s broke with", request_id, exc_info=error)
