"""The contract's published files: what a vendor in another language needs, and nothing else.

They are the OpenAPI document of every call, the JSON Schemas of the manifest, and the registry of error words. They
are made from the code and stand in :data:`FOLDER`, in the package, so that whoever installs it has those of its
version; ``docs/generate.py`` writes them there and into the reference, and ``--check`` tells when one is stale.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mt_paas.standard_api.handler import StandardAPIHandler
from mt_paas.standard_api.manifest import MANIFEST_VERSIONS, manifest_schema
from mt_paas.standard_api.problem import error_registry, error_type

__all__ = ["FOLDER", "PUBLISHED", "error_registry_json", "openapi_document", "openapi_json"]

FOLDER = Path(__file__).parent / "schemas"
_DESCRIPTION = """\
What a market asks of a service that joins it: the lifecycle of a tenant (version 1), its dashboard, users, resources
and settings (version 2), and extensions. A service needs the calls of version 1, `mt_get_tenant_usage` apart, and what
its `manifest.yaml` declares beyond them.

Every call but `mt_health` carries the market's key, in the header that the manifest names. JSON is
snake_case in UTF-8, times are RFC 3339 in UTC. Both sides ignore fields that they do not know: that is how the contract
grows.
"""


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the whole Standard API, as a service that offers every call describes it.

    Raises ``MissingExtraError`` without the extra ``fastapi``.
    """
    from mt_paas.standard_api.router import create_standard_router  # first: it says which extra is missing

    # isort: split
    from fastapi import FastAPI

    from mt_paas.standard_api.describe import DESCRIPTIONS, TAGS

    # What a handler overrides is offered; nobody calls it.
    everything = type("Everything", (StandardAPIHandler,), dict.fromkeys((call.call for call in DESCRIPTIONS), print))
    service = FastAPI(
        title="Standard API",
        version="2.0",
        summary="The contract between a Service Market and a multi-tenant service.",
        description=_DESCRIPTION,
        license_info={"name": "MIT", "identifier": "MIT"},
        openapi_tags=[dict(tag) for tag in TAGS],
        servers=[
            {
                "url": "http://127.0.0.1:8601",
                "description": "sample_service. Another's address is `endpoints.base_url` of its manifest.",
            }
        ],
    )
    service.include_router(create_standard_router(everything(), api_key="it-describes-only"))
    return service.openapi()


def openapi_json() -> str:
    """Return :func:`openapi_document` as the published file has it: what it says often it says once, and refers to."""
    document = openapi_document()
    shared = _Shared(document["components"])
    for operation in (each for ways in document["paths"].values() for each in ways.values()):
        operation["parameters"] = [shared.put("parameters", each["name"], each) for each in operation["parameters"]]
        for status, response in operation["responses"].items():
            shared.put_all("headers", response.get("headers", {}))
            words = [word for each in response.get("content", {}).values() for word in each.get("examples", {})]
            for content in response.get("content", {}).values():
                shared.put_all("examples", content.get("examples", {}))
            if words or status == "default":
                operation["responses"][status] = shared.put("responses", ".".join(words) or "any_error", response)
    return _text(_with_whole_numbers(document))


def error_registry_json() -> str:
    """Return the error words of the contract, by status and word, as the published file has them."""
    words = [
        {
            "error": word.code,
            "status": word.status,
            "retryable": word.retryable,
            "type": error_type(word.code),
            "message": word.message,
        }
        for word in error_registry().values()
    ]
    return _text({"errors": words})


#: The names of the published files, and what writes the text of each.
PUBLISHED: Mapping[str, Callable[[], str]] = {
    "standard-api.openapi.json": openapi_json,
    "errors.json": error_registry_json,
    **{f"manifest-{version}.schema.json": partial(manifest_schema, version) for version in MANIFEST_VERSIONS},
}


class _Shared:
    """The components of an OpenAPI document, to which what is equal under one name is moved."""

    def __init__(self, components: dict[str, Any]) -> None:
        self._components = components

    def put(self, kind: str, name: str, value: dict[str, Any]) -> dict[str, Any]:
        """Return a reference to ``value``; ``value`` itself where another one was there before under this name."""
        if self._components.setdefault(kind, {}).setdefault(name, value) != value:
            return value
        return {"$ref": f"#/components/{kind}/{name}"}

    def put_all(self, kind: str, values: dict[str, Any]) -> None:
        """Put references, where they can be, in the place of ``values``."""
        values.update({name: self.put(kind, name, value) for name, value in values.items()})


def _with_whole_numbers(node: Any) -> Any:
    """Return ``node`` with 0 for 0.0: FastAPI writes every bound as a float, generators write it into typed code."""
    if isinstance(node, dict):
        return {name: _with_whole_numbers(each) for name, each in node.items()}
    if isinstance(node, list):
        return [_with_whole_numbers(each) for each in node]
    return int(node) if isinstance(node, float) and node.is_integer() else node


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
