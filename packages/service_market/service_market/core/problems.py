"""The shape of a failure: problem details (RFC 9457) that also carry ``error``, ``message`` and ``request_id``."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from mt_paas.errors import IllegalTransition
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from starlette.exceptions import HTTPException
from starlette.routing import Match

from service_market.core.errors import Busy, InvalidBody, MarketError, Unauthenticated, Unavailable
from service_market.core.faults import sentence
from service_market.core.log import get_logger
from service_market.core.traces import places

__all__ = ["Problem", "answers", "install", "unforeseen"]

log = get_logger(__name__)


class Problem(BaseModel):
    """An error of the market's API. ``error`` is a stable word to program by; ``message`` is for people."""

    model_config = ConfigDict(extra="forbid")

    type: Annotated[str, Field(examples=["urn:service-market:error:tenant_not_found"])]
    title: Annotated[str, Field(examples=["Not Found"])]
    status: Annotated[int, Field(examples=[404])]
    detail: Annotated[str, Field(examples=["There is no tenant hallym_univ."])]
    error: Annotated[str, Field(examples=["tenant_not_found"])]
    message: Annotated[str, Field(examples=["There is no tenant hallym_univ."])]
    request_id: Annotated[str, Field(examples=["0198a4c2-7d1e-7aa0-b3a1-0c6a5f0d9b11"])]
    retryable: bool = False
    details: Any = None


def answers(*errors: type[MarketError]) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of a route that may answer with ``errors``, for its OpenAPI description."""
    described: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        place = described.setdefault(
            error.status, {"description": "", "content": {"application/problem+json": {"schema": _SCHEMA}}}
        )
        place["description"] += f"`{error.code}`: {(error.__doc__ or '').strip().splitlines()[0]}\n\n"
    return described


_SCHEMA = {"$ref": "#/components/schemas/Problem"}


def install(app: FastAPI) -> None:
    """Answer every failure that ``app`` means in the one shape; :func:`unforeseen` answers the others."""

    @app.exception_handler(MarketError)
    async def _known(request: Request, error: MarketError) -> JSONResponse:
        return _answer(request, error)

    @app.exception_handler(IllegalTransition)
    async def _illegal(request: Request, error: IllegalTransition) -> JSONResponse:
        return problem(request, 409, "illegal_transition", f"{error}.")

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = [("/".join(map(str, fault["loc"])), sentence(fault)) for fault in error.errors()]
        return _answer(request, InvalidBody.of(faults))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        answer = problem(
            request, error.status_code, phrase.lower().replace(" ", "_"), _SENTENCES.get(error.status_code, phrase)
        )
        answer.headers.update(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            answer.headers["Allow"] = ", ".join(_methods(request))
        return answer


def unforeseen(request: Request, error: Exception) -> JSONResponse:
    """Return the answer to an exception that nobody handled, and write its places down, never its text."""
    known = _of_the_database(error)
    log.error(
        known.code if known else "unexpected error",
        error=type(error).__name__,
        exception=places(error),
        route=getattr(request.scope.get("route"), "path", None),
    )
    if known:
        return _answer(request, known)
    message = "The market broke while it answered; the request id leads to its log."
    return problem(request, MarketError.status, MarketError.code, message, retryable=True)


#: Deadlock, serialization failure, lock timeout, statement timeout: PostgreSQL's manual, appendix A.
_BUSY = frozenset({"40P01", "40001", "55P03", "57014"})


def _of_the_database(error: Exception) -> MarketError | None:
    """Return what a failure of the database means to the caller. Whoever wraps the driver's error, it is the cause."""
    if isinstance(error, NoConnectionLeft):
        return Unavailable("Every connection to the database is in use; try again soon.")
    driver = next((each for each in (error, error.__cause__) if isinstance(each, psycopg.Error)), None)
    if driver is not None and driver.sqlstate in _BUSY:
        return Busy()
    if isinstance(driver, psycopg.OperationalError | psycopg.InterfaceError):
        return Unavailable("The database does not answer.")
    if isinstance(driver, psycopg.DataError):
        return InvalidBody("What was sent holds something that the database can not store.")
    return None


def _methods(request: Request) -> list[str]:
    """Return the methods that the request's address is there for (RFC 9110, section 10.2.1)."""
    return [
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]


_SENTENCES = {404: "There is nothing at this address.", 405: "This address is there, but not for this method."}


def _answer(request: Request, error: MarketError) -> JSONResponse:
    return problem(request, error.status, error.code, error.message, retryable=error.retryable, details=error.details)


def problem(
    request: Request, status: int, code: str, message: str, *, retryable: bool = False, details: Any = None
) -> JSONResponse:
    """Return the failure as an answer."""
    body = Problem(
        type=f"urn:service-market:error:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=message,
        error=code,
        message=message,
        request_id=getattr(request.state, "request_id", "-"),
        retryable=retryable,
        details=details,
    )
    headers = None
    if status == HTTPStatus.UNAUTHORIZED:  # a token that was sent and refused: RFC 6750, section 3.1
        refused = code != Unauthenticated.code
        headers = {"WWW-Authenticate": 'Bearer error="invalid_token"' if refused else "Bearer"}
    return JSONResponse(body.model_dump(exclude_none=True), status, headers, media_type="application/problem+json")
