"""Writes the reference pages from the code: ``python docs/generate.py``; ``--check`` only names those that are stale.

A page says what a command line, a settings class, a router, a schema or an error class says of itself, so it is wrong
only where the code is. It takes no database and no network, and the same code gives the same bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from fastapi import FastAPI
from fastapi.routing import APIRoute
from mt_paas.errors import ServiceCallError
from mt_paas.standard_api import StandardAPIHandler, create_standard_router, error_registry
from mt_paas.standard_api.manifest import manifest_schema
from mt_paas.utils.config import Settings as ServiceSettings
from pydantic import AliasChoices, BaseModel, SecretStr
from pydantic.fields import FieldInfo
from service_market.assembly import ROUTERS, Addresses, assemble
from service_market.cli.application import app as command_line
from service_market.cli.exits import EXIT_TABLE
from service_market.core.errors import MarketError
from service_market.core.errors import registry as market_errors
from service_market.core.principal import permissions_of
from service_market.main import create_app
from service_market.rooms.identity.types import PERMISSIONS, ROLES
from service_market.rooms.provisioning.service.saga import ServiceLied
from service_market.settings import Settings as MarketSettings

REFERENCE = Path(__file__).parent / "reference"
NOTE = "<!-- Made by docs/generate.py. Change the code and run `make docs`. -->\n"
#: Variables that no settings class reads, and what they are for.
OTHER_VARIABLES = {
    "MT_POSTGRES_BIN": "Folder of the `initdb` and `postgres` that an embedded server is run with.",
    "MT_TEST_DATABASE_URL": "The PostgreSQL server on which tests make their databases; before `DATABASE_URL`.",
}
#: Errors of the market's API that no class of its own stands for (core/problems.py): status, word, retryable, message.
OTHER_ERRORS = [
    (405, "method_not_allowed", False, "This address is there, but not for this method."),
    (409, "illegal_transition", False, "A state machine has no such step; the message says which there are."),
    (500, "internal_error", True, "The market broke while it answered; the request id leads to its log."),
]
#: The options that every command has that calls a market.
COMMON = {"url", "token", "home", "as_json", "lang"}
ENVELOPES = ("Envelope_", "Page_")
TYPES = {"string": "text", "integer": "whole number", "boolean": "true or false"}
BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "minLength": "{} or more characters",
    "maxLength": "{} characters at most",
    "pattern": "`{}`",
}


def main() -> int:
    """Write the pages, or check them; return an exit code."""
    made = dict(pages())
    found = {path.name: path.read_text(encoding="utf-8") for path in REFERENCE.iterdir()}
    stale = [name for name in sorted(made | found) if made.get(name) != found.get(name)]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"docs/reference/{name} is not what the code says; run: make docs", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        path = REFERENCE / name
        path.write_text(made[name], encoding="utf-8") if name in made else path.unlink()
    return 0


def pages() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every page."""
    market, standard = market_document(), standard_document()
    yield "api.md", http_page("The market's API", market, needed_permissions())
    yield "openapi.json", json.dumps(market, indent=2, ensure_ascii=False) + "\n"
    yield "standard-api.md", http_page("The Standard API, version 1", standard, {})
    yield "standard-api.openapi.json", json.dumps(standard, indent=2, ensure_ascii=False) + "\n"
    yield "cli.md", command_page()
    yield "settings.md", settings_page()
    yield "manifest.md", manifest_page()
    yield "permissions.md", permission_page()
    yield "errors.md", error_page()


def _page(title: str, *parts: str) -> str:
    return "\n".join([NOTE, f"# {title}\n", *parts]).rstrip("\n") + "\n"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [[*head], *([*row] for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    cells = ([" ".join(text.split()).replace("|", "\\|") for text in line] for line in lines)
    return "".join("| " + " | ".join(line) + " |\n" for line in cells)


def _code(value: object) -> str:
    return f"`{value}`" if str(value) else ""


def _default(value: Any) -> str:
    if value in (None, False, ()):
        return ""
    if isinstance(value, timedelta):
        return f"`P{value.days}D`"
    return _code(value.value if isinstance(value, Enum) else value)


def _paragraphs(text: str | None) -> str:
    """Return a docstring as Markdown: one line a paragraph, code in single backquotes."""
    return "\n\n".join(" ".join(part.split()) for part in (text or "").replace("``", "`").split("\n\n"))


def command_page() -> str:
    """Return every command with its arguments and options, and the exit codes."""
    commands = list(_commands(typer.main.get_command(command_line), "market"))
    common = next(command for _, command in commands if _calls_a_market(command)).params
    parts = ["## Exit codes\n", _table(["code", "meaning"], ([str(int(c)), text] for c, text in EXIT_TABLE.items()))]
    parts += ["## Options of every command that calls a market\n"]
    parts += [_options(each for each in common if each.name in COMMON)]
    for name, command in commands:
        own = [each for each in command.params if not (_calls_a_market(command) and each.name in COMMON)]
        arguments = [each for each in own if each.param_type_name == "argument"]
        options = [each for each in own if each.param_type_name == "option"]
        names = [each.metavar or each.name.upper() for each in arguments]
        parts += [f"## {name}\n", f"`{' '.join([name, *names])} [options]`\n", f"{_paragraphs(command.help)}\n"]
        if any(each.help for each in arguments):
            rows = ([_code(name), each.help or ""] for name, each in zip(names, arguments, strict=True))
            parts.append(_table(["argument", "meaning"], rows))
        if options:
            parts.append(_options(options))
        if _calls_a_market(command):
            parts.append("And the options of every command that calls a market.\n")
    return _page("The command `market`", *parts)


def _commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _calls_a_market(command: Any) -> bool:
    return {each.name for each in command.params} >= COMMON


def _options(options: Iterable[Any]) -> str:
    rows = []
    for each in options:
        default = each.show_default if isinstance(each.show_default, str) else _default(each.default)
        names, needed = ", ".join(map(_code, each.opts)), "required" if each.required else default
        rows.append([names, _taken(each), needed, _code(each.envvar or ""), each.help or ""])
    return _table(["option", "takes", "default", "variable", "meaning"], rows)


def _taken(option: Any) -> str:
    annotation = option.type_descriptor.annotation
    if option.is_flag:
        return ""
    if option.metavar:
        kind = _code(option.metavar)
    elif issubclass(annotation, Enum):
        kind = " or ".join(_code(each.value) for each in annotation)
    else:
        kind = {"str": "text", "int": "number", "Path": "path"}.get(annotation.__name__, annotation.__name__)
    kind += f", at least {option.min}" if option.min is not None else ""
    kind += f", at most {option.max}" if option.max is not None else ""
    return kind + (", repeatable" if option.multiple else "")


def settings_page() -> str:
    """Return every variable that the market and a service read, with its default and its meaning."""
    head = ["variable", "takes", "default", "meaning"]
    of_commands = ", ".join(sorted(_variables_of_commands()))
    return _page(
        "Settings",
        "Settings come from environment variables. A group's name and a setting's are joined by two underscores.\n",
        "## The market\n",
        _table(head, _settings(MarketSettings, "MARKET_", MarketSettings.model_json_schema(by_alias=False))),
        f"The commands that call a market read {of_commands}: see [cli.md](cli.md).\n",
        "## A service on mt_paas\n",
        _table(head, _settings(ServiceSettings, "MT_", ServiceSettings.model_json_schema(by_alias=False))),
        "## Read elsewhere\n",
        _table(["variable", "meaning"], ([_code(name), text] for name, text in OTHER_VARIABLES.items())),
    )


def _variables_of_commands() -> set[str]:
    commands = _commands(typer.main.get_command(command_line), "market")
    return {_code(each.envvar) for _, command in commands for each in command.params if each.envvar}


def _settings(model: type[BaseModel], prefix: str, schema: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            group = schema["$defs"][field.annotation.__name__]
            yield from _settings(field.annotation, f"{prefix}{name.upper()}__", {"$defs": schema["$defs"], **group})
            continue
        kind = _kind(schema["properties"][name], schema["$defs"]).replace("text (password)", "text, kept secret")
        names = ", ".join(map(_code, _variables(field, prefix + name.upper())))
        yield [names, kind, _default(field.get_default(call_default_factory=True)), field.description or ""]


def _variables(field: FieldInfo, name: str) -> list[str]:
    if isinstance(field.validation_alias, AliasChoices):
        return [str(each) for each in field.validation_alias.choices if str(each).isupper()]
    return [name]


def market_document() -> dict[str, Any]:
    """Return the OpenAPI document of the market, of one that is connected to nothing."""
    settings = MarketSettings.model_construct(secret_keys=(SecretStr("it only describes: nothing is sealed with it"),))
    return create_app(assemble(settings, Addresses("postgresql://nobody@localhost/nothing"))).openapi()


def standard_document() -> dict[str, Any]:
    """Return the OpenAPI document of the Standard API, as every service that is made with ``mt_paas`` offers it."""
    service = FastAPI(title="Standard API", version="1", description="What a market asks of a service.")
    service.include_router(create_standard_router(StandardAPIHandler(), api_key="it-describes-only"))
    return service.openapi()


def needed_permissions() -> dict[str, str]:
    """Return what a caller of each of the market's operations needs, by its ``operationId``."""
    needed = {}
    for route in (route for router in ROUTERS for route in router.routes):
        if isinstance(route, APIRoute):
            asked = permissions_of(each.dependency for each in route.dependencies)
            needed[str(route.operation_id)] = _code(asked[0]) if asked and asked[0] else "any valid token"
    return needed


def http_page(title: str, document: dict[str, Any], needed: Mapping[str, str]) -> str:
    """Return every operation of an OpenAPI document, and every schema that they use."""
    known = document["components"]["schemas"]
    calls = [(f"{how.upper()} {path}", each) for path, ways in document["paths"].items() for how, each in ways.items()]
    rows = ([f"[`{call}`](#{each['operationId'].lower()})", each["summary"]] for call, each in calls)
    parts = [f"{document['info']['description'].strip()}\n", _table(["call", "what it does"], rows)]
    for call, operation in calls:
        parts += _operation(call, operation, needed, known)
    parts.append("## Schemas\n")
    for name in sorted(each for each in known if not each.startswith(ENVELOPES)):
        parts += _schema(name, known)
    return _page(title, *parts)


def _operation(
    call: str, operation: dict[str, Any], needed: Mapping[str, str], known: Mapping[str, Any]
) -> Iterator[str]:
    name = operation["operationId"]
    yield f"## {name}\n"
    yield f"`{call}`: {operation.get('description') or operation['summary']}\n"
    key = "the market's key" if operation.get("security") else "nothing: anybody may call it"
    yield f"Needs {needed.get(name, key)}.\n"
    if parameters := operation.get("parameters"):
        facts = ((_code(each["name"]), each, each.get("description", "")) for each in parameters)
        rows = ([name, each["in"], _kind(each["schema"], known), meaning] for name, each, meaning in facts)
        yield _table(["parameter", "in", "takes", "meaning"], rows)
    if "requestBody" in operation:
        body = next(iter(operation["requestBody"]["content"].values()))["schema"]
        yield f"Body: {_kind(body, known)}\n"
        if "properties" in body:
            yield _properties(body, known)
    answers = ([status, _answer(each, known)] for status, each in operation["responses"].items())
    yield _table(["status", "answer"], answers)


def _answer(response: dict[str, Any], known: Mapping[str, Any]) -> str:
    document = response.get("content", {}).get("application/json", {}).get("schema")
    return _kind(document, known) if document else "<br>".join(response["description"].strip().split("\n\n"))


def _schema(name: str, known: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {name}\n"
    yield f"{_paragraphs(known[name].get('description'))}\n"
    yield _properties(known[name], known) if "properties" in known[name] else f"{_kind(known[name], known)}\n"


def _properties(schema: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    return _table(["field", "is", "meaning"], _rows(schema, known, ""))


def _rows(schema: Mapping[str, Any], known: Mapping[str, Any], within: str) -> Iterator[list[str]]:
    for name, each in schema["properties"].items():
        optional = "" if name in schema.get("required", []) else " (optional)"
        such = ", ".join(_code(json.dumps(value, ensure_ascii=False)) for value in each.get("examples", []))
        meaning = f"{each.get('description', '')} (such as {such})" if such else each.get("description", "")
        yield [_code(within + name) + optional, _kind(each, known), meaning]
        if "properties" in each:
            yield from _rows(each, known, f"{within}{name}.")


def _kind(schema: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """Return what a JSON Schema describes, in words."""
    if "$ref" in schema:
        return _named(str(schema["$ref"]).rpartition("/")[2], known)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(each, known) for each in schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        return " or ".join(_code(each) for each in schema.get("enum", [schema.get("const")]))
    kind, named = str(schema.get("type", "anything")), schema.get("patternProperties", {}).values()
    if kind == "array":
        kind = f"list of {_kind(schema.get('items', {}), known)}"
    elif isinstance(each := schema.get("additionalProperties", next(iter(named), None)), dict):
        kind = f"map to {_kind(each, known)}"
    kind = TYPES.get(kind, kind) + (f" ({schema['format']})" if "format" in schema else "")
    return ", ".join([kind, *(text.format(schema[key]) for key, text in BOUNDS.items() if key in schema)])


def _named(name: str, known: Mapping[str, Any]) -> str:
    if name.startswith(ENVELOPES):
        return f"`data`: {_kind(known[name]['properties']['data'], known)}"
    return _kind(known[name], known) if "enum" in known[name] else f"[{name}](#{name.lower()})"


def manifest_page() -> str:
    """Return every key of the manifest."""
    schema = json.loads(manifest_schema())
    sections = [name for name, each in schema["$defs"].items() if "properties" in each]
    return _page(
        "manifest.yaml 1.0",
        "How a service introduces itself to a market. Editors complete it by the JSON Schema",
        "`packages/mt_paas/mt_paas/standard_api/schemas/manifest-1.0.schema.json`.\n",
        _properties(schema, schema["$defs"]),
        *(part for name in sections for part in _schema(name, schema["$defs"])),
    )


def permission_page() -> str:
    """Return which role has which permission, and which calls need it."""
    calls: dict[str, list[str]] = {}
    for operation, permission in sorted(needed_permissions().items()):
        calls.setdefault(permission, []).append(f"[{operation}](api.md#{operation.lower()})")
    rows = (
        [_code(name), meaning, *("yes" if name in has else "" for has in ROLES.values()), ", ".join(calls[_code(name)])]
        for name, meaning in PERMISSIONS.items()
    )
    return _page(
        "Permissions",
        "A token has one role. The roles other than `operator` are fenced as well: a school manager sees its own",
        "organization's rows, a service those of its own tenants, whatever the permission.\n",
        _table(["permission", "allows", *map(_code, ROLES), "calls"], rows),
        f"Any valid token may call {', '.join(calls['any valid token'])}.",
    )


def error_page() -> str:
    """Return every error word: of the contract, of calls to services, and of the market's API."""
    own: list[type[ServiceCallError]] = [ServiceCallError, *ServiceCallError.__subclasses__()]
    calls = [each for each in own if each.__module__ == ServiceCallError.__module__ or each is ServiceLied]
    market = {(each.status, each.code, each.retryable, _first(each)) for each in market_errors()}
    market -= {(MarketError.status, MarketError.code, MarketError.retryable, _first(MarketError))}
    contract = ((each.status, each.code, each.retryable, each.message) for each in error_registry().values())
    return _page(
        "Errors",
        "An error is `application/problem+json` (RFC 9457) that also carries `error`, `message`, `request_id`,",
        "`retryable` and, where there is more to say, `details`. `error` is a stable word to program by.\n",
        "## The Standard API\n",
        "What a service answers. `mt_paas.errors` has a class for each.\n",
        _words(contract),
        "## Calls to services\n",
        "The `error.code` of a failed operation, and what `StandardAPIClient` and `MarketplaceClient` raise.\n",
        _table(
            ["code", "class", "retry can help", "meaning"],
            [
                *([_code(each.code), _code(each.__name__), _yes(each.retryable), _first(each)] for each in calls),
                ["`deadline_passed`", "", "no", "The operation's time was over before a step succeeded."],
            ],
        ),
        "## The market's API\n",
        _words(sorted([*market, *OTHER_ERRORS])),
    )


def _words(errors: Iterable[tuple[int, str, bool, str]]) -> str:
    rows = ([str(status), _code(code), _yes(retryable), text] for status, code, retryable, text in errors)
    return _table(["status", "error", "retry can help", "message"], rows)


def _yes(value: bool) -> str:  # noqa: FBT001 - a truth value, in words
    return "yes" if value else "no"


def _first(error: type[Exception]) -> str:
    return (error.__doc__ or "").strip().splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
