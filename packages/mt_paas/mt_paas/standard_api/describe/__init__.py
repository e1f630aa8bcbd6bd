"""The Standard API's calls as data: what OpenAPI says of them, and what the router makes its routes from."""

from __future__ import annotations

from typing import Any

from fastapi import Security
from fastapi.params import Security as SecurityMarker
from fastapi.security import APIKeyHeader, HTTPBearer

from mt_paas.standard_api.auth import ApiKeys, is_bearer
from mt_paas.standard_api.describe.call import Answer, CallDescription, StandardApiError
from mt_paas.standard_api.describe.dashboard import DASHBOARD, PAGE_LIMIT, TOP_LIMIT
from mt_paas.standard_api.describe.extensions import EXTENSIONS
from mt_paas.standard_api.describe.lifecycle import LIFECYCLE
from mt_paas.standard_api.describe.parts import MAX_CURSOR, MAX_FILTER, TAGS

__all__ = [
    "DESCRIPTIONS",
    "MAX_CURSOR",
    "MAX_FILTER",
    "PAGE_LIMIT",
    "TAGS",
    "TOP_LIMIT",
    "Answer",
    "CallDescription",
    "StandardApiError",
    "key_schemes",
]

DESCRIPTIONS = (*LIFECYCLE, *DASHBOARD, *EXTENSIONS)


def key_schemes(keys: ApiKeys) -> list[SecurityMarker]:
    """Return the security schemes of ``keys`` for OpenAPI, of which a call needs one.

    They check nothing: the router does, in its own order.
    """
    return [_scheme(header, "" if place == 0 else str(place + 1)) for place, header in enumerate(keys.headers)]


def _scheme(header: str, number: str) -> SecurityMarker:
    described: dict[str, Any] = {
        "scheme_name": f"MarketKey{number}",
        "description": "The market's key, which the service was given.",
        "auto_error": False,
    }
    scheme = HTTPBearer(**described) if is_bearer(header) else APIKeyHeader(name=header, **described)
    marker: SecurityMarker = Security(scheme)
    return marker
