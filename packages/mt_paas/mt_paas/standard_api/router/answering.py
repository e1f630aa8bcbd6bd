"""What the handler returned, as the answer that the contract allows; anything else is a fault of the service."""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from mt_paas.standard_api.models import ContractModel, OperationAccepted, SettingsResponse
from mt_paas.standard_api.wire import read

__all__ = ["accepted", "answer", "base_path_of", "with_etag"]

_ETAG = re.compile(r'"[\x21\x23-\x7e]+"')


def answer(
    model: type[ContractModel],
    result: object,
    *,
    status: int = 200,
    at_most: int | None = None,
    **expected: str,
) -> Response:
    """Return what the handler returned as an answer, or raise ``WireError`` if the contract does not allow it.

    The document is read back as a caller would read it: a model can be built past its own validation, and an answer
    about another tenant, or with more items than were asked for, is worse than none.
    """
    if not isinstance(result, model):
        raise TypeError(f"the handler returned {type(result).__name__}, expected {model.__name__}")
    raw = result.model_dump_json(warnings="error").encode()
    document: Any = read(model, raw)
    for name, value in expected.items():
        if getattr(document, name) != value:
            raise ValueError(f"the handler answered with another {name} than the one that was asked for")
    if at_most is not None and len(document.items) > at_most:
        raise ValueError(f"the handler answered with more items than the {at_most} that were asked for")
    return Response(raw, status_code=status, media_type="application/json")


def accepted(base: str, result: OperationAccepted) -> Response:
    """Return the answer 202, with the address of the operation; ``base`` is the path of the router."""
    response = answer(OperationAccepted, result, status=202)
    response.headers["Location"] = f"{base}/operations/{quote(result.operation_id, safe='')}"
    response.headers["Retry-After"] = str(math.ceil(result.retry_after))
    return response


def with_etag(result: SettingsResponse) -> dict[str, str]:
    """Return the header ``ETag`` of settings. Raises ``ValueError`` for a version that no header can carry."""
    if not _ETAG.fullmatch(result.etag):
        raise ValueError("the version of the settings is not visible ASCII without quotation marks")
    return {"ETag": result.etag}


def base_path_of(request: Request, path: str) -> str:
    """Return what stands before ``path``, a call's own path, in the address that was called; quoted."""
    own = path.format(**request.path_params)
    called: str = request.scope["path"]
    return quote(called.removesuffix(own))
