"""The shape of a failure: problem details (RFC 9457) that also carry ``error``, ``message`` and ``request_id``."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from mt_paas.errors import IllegalTransition
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from service_market.core.errors import InvalidBody, MarketError, Unavailable
from service_market.core.log import get_logger

__all__ = ["Problem", "answers", "install"]

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
    """Answer every failure of ``app`` in the one shape, and never with the text of an unexpected exception."""

    @app.exception_handler(MarketError)
    async def _known(request: Request, error: MarketError) -> JSONResponse:
        return problem(
            request, error.status, error.code, error.message, retryable=error.retryable, details=error.details
        )

    @app.exception_handler(IllegalTransition)
    async def _illegal(request: Request, error: IllegalTransition) -> JSONResponse:
        return problem(request, 409, "illegal_transition", f"{error}.")

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = [
            {"path": "/".join(str(part) for part in fault["loc"]), "message": fault["msg"]} for fault in error.errors()
        ]
        message = "; ".join(f"{fault['path']}: {fault['message']}" for fault in faults[:3])
        return problem(request, InvalidBody.status, InvalidBody.code, message, details=faults)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        answer = problem(
            request, error.status_code, phrase.lower().replace(" ", "_"), _SENTENCES.get(error.status_code, phrase)
        )
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(OperationalError)
    async def _database_away(request: Request, error: OperationalError) -> JSONResponse:
        log.error("the database did not answer", error=type(error.orig).__name__)
        return problem(request, Unavailable.status, Unavailable.code, "The database does not answer.", retryable=True)

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("unexpected error", error=type(error).__name__, exception=_where(error), route=request.url.path)
        message = "The market broke while it answered; the request id leads to its log."
        return problem(request, 500, MarketError.code, message, retryable=True)


_SENTENCES = {404: "There is nothing at this address.", 405: "This address is there, but not for this method."}


def _where(error: Exception) -> str:
    """Return the places that the exception passed through, without its text: that may hold what a caller sent."""
    places, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return " > ".join(places[-6:])


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
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(body.model_dump(exclude_none=True), status, headers, media_type="application/problem+json")
