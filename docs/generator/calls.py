"""The pages of the two HTTP interfaces, from their OpenAPI documents, and which role may call what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi.routing import APIRoute
from pydantic import SecretStr
from service_market.assembly import ROUTERS, Addresses, assemble
from service_market.core.principal import permissions_of
from service_market.main import create_app
from service_market.rooms.identity.types import PERMISSIONS, ROLES
from service_market.settings import Settings as MarketSettings

from generator.markdown import code, page, table
from generator.schemas import ENVELOPES, kind_of, property_table, schema_section

__all__ = ["http_page", "market_document", "needed_permissions", "permission_page"]


def market_document() -> dict[str, Any]:
    """Return the OpenAPI document of the market, of one that is connected to nothing."""
    settings = MarketSettings.model_construct(secret_keys=(SecretStr("it only describes: nothing is sealed with it"),))
    return create_app(assemble(settings, Addresses("postgresql://nobody@localhost/nothing"))).openapi()


def needed_permissions() -> dict[str, str]:
    """Return what a caller of each of the market's operations needs, by its ``operationId``."""
    needed = {}
    for route in (route for router in ROUTERS for route in router.routes):
        if isinstance(route, APIRoute):
            asked = permissions_of(each.dependency for each in route.dependencies)
            token = (
                (code(asked[0]) if asked[0] else "any valid token") if asked else "the token of a tenant's call-back"
            )
            needed[str(route.operation_id)] = token
    return needed


def http_page(title: str, document: dict[str, Any], needed: Mapping[str, str]) -> str:
    """Return every operation of an OpenAPI document, and every schema that they use."""
    known = document["components"]["schemas"]
    calls = [(f"{how.upper()} {path}", each) for path, ways in document["paths"].items() for how, each in ways.items()]
    rows = ([f"[`{call}`](#{each['operationId'].lower()})", each["summary"]] for call, each in calls)
    parts = [f"{document['info']['description'].strip()}\n", table(["call", "what it does"], rows)]
    for call, operation in calls:
        parts += _operation(call, operation, needed, known)
    parts.append("## Schemas\n")
    for name in sorted(each for each in known if not each.startswith(ENVELOPES)):
        parts += schema_section(name, known)
    return page(title, *parts)


def permission_page() -> str:
    """Return which role has which permission, and which calls need it."""
    calls: dict[str, list[str]] = {}
    for operation, permission in sorted(needed_permissions().items()):
        calls.setdefault(permission, []).append(f"[{operation}](api.md#{operation.lower()})")
    rows = (
        [code(name), meaning, *("yes" if name in has else "" for has in ROLES.values()), ", ".join(calls[code(name)])]
        for name, meaning in PERMISSIONS.items()
    )
    return page(
        "Permissions",
        "A token has one role. The roles other than `operator` are fenced as well: a school manager sees its own",
        "organization's rows, a service those of its own tenants, whatever the permission.\n",
        table(["permission", "allows", *map(code, ROLES), "calls"], rows),
        f"Any valid token may call {', '.join(calls['any valid token'])}.",
    )


def _operation(
    call: str, operation: dict[str, Any], needed: Mapping[str, str], known: Mapping[str, Any]
) -> Iterator[str]:
    name = operation["operationId"]
    yield f"## {name}\n"
    yield f"`{call}`: {operation.get('description') or operation['summary']}\n"
    key = "the market's key" if operation.get("security") else "nothing: anybody may call it"
    yield f"Needs {needed.get(name, key)}.\n"
    if parameters := operation.get("parameters"):
        facts = ((code(each["name"]), each, each.get("description", "")) for each in parameters)
        rows = ([name, each["in"], kind_of(each["schema"], known), meaning] for name, each, meaning in facts)
        yield table(["parameter", "in", "takes", "meaning"], rows)
    if "requestBody" in operation:
        body = next(iter(operation["requestBody"]["content"].values()))["schema"]
        yield f"Body: {kind_of(body, known)}\n"
        if "properties" in body:
            yield property_table(body, known)
    answers = ([status, _answer(status, each, known)] for status, each in operation["responses"].items())
    yield table(["status", "answer"], answers)


def _answer(status: str, response: dict[str, Any], known: Mapping[str, Any]) -> str:
    document = response.get("content", {}).get("application/json", {}).get("schema")
    if document and status.startswith("2"):
        return kind_of(document, known)
    return "<br>".join(response["description"].strip().split("\n\n"))
