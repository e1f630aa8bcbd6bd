"""What the contract asks of a call and no JSON Schema can say, for calls that are meant to be valid.

schemathesis loads this module in its own environment. A call that is meant to be wrong stays as it was thought of.
"""

from __future__ import annotations

import zlib
from typing import Any

import schemathesis

TENANTS = 5


@schemathesis.hook
def before_call(context: Any, case: Any, **_: Any) -> None:
    """Make a valid call one that the contract takes, and mostly one of a tenant that other calls are about too."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if "tenant_id" in case.path_parameters and case.meta.phase.name.value in {"fuzzing", "stateful"}:
        case.path_parameters["tenant_id"] = _one_of_few(case.path_parameters["tenant_id"])
    case.query.pop("cursor", None)  # what a page gave, and nobody makes up
    if isinstance(case.body, dict):
        if "tenant_id" in case.body:
            case.body["tenant_id"] = case.path_parameters["tenant_id"]
        if "return_to" in case.body:
            case.body["return_to"] = "/"  # an address of the service itself
        case.body = _without_points(case.body)


def _one_of_few(tenant_id: str) -> str:
    """Return one of a few ids, the same one for the same ``tenant_id``."""
    return tenant_id if tenant_id.startswith("univ_") else f"univ_{zlib.crc32(tenant_id.encode()) % TENANTS}"


def _without_points(value: Any) -> Any:
    """Return ``value`` with 500 for 500.0: JSON Schema counts that as an integer, the contract does not."""
    if isinstance(value, dict):
        return {name: _without_points(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_points(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
