"""The rules for single values of a manifest: what an address, a path, a header or a size looks like.

A rule is a function that yields a :class:`Finding` for everything that is wrong with a text; ``Annotated[str,
Rule(function)]`` makes it part of a model. All findings of a value travel together in one :func:`refusal`, so that a
report can tell each of them with its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import IPv6Address
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import SplitResult, quote, urlsplit

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

__all__ = [
    "TENANT_VARIABLE",
    "Finding",
    "Rule",
    "access_address",
    "base_address",
    "closest",
    "each_once",
    "endpoint_path",
    "matching",
    "one_line",
    "printable",
    "quoted",
    "refusal",
    "slug",
]

_T = TypeVar("_T")

TENANT_VARIABLE = "{tenant_id}"

_SHOWN = 60  # characters of a value that a message quotes
_VARIABLE = re.compile(r"\{([^{}]*)\}")
_NOT_IN_A_PATH = re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:@/%-]|%(?![0-9A-Fa-f]{2})")  # RFC 3986: pchar and "/"
_DOT_SEGMENT = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,61}[a-z0-9]")


class Finding(NamedTuple):
    """One thing that is wrong with a value. ``within`` leads from the value to the part of it that is meant."""

    message: str
    expected: str = ""
    suggestion: str = ""
    within: tuple[int, ...] = ()


def refusal(findings: Sequence[Finding]) -> PydanticCustomError:
    """Return the error that a validator raises for ``findings``; a report finds them in its context."""
    message = "; ".join(finding.message for finding in findings)
    return PydanticCustomError("manifest", "{message}", {"message": message, "findings": tuple(findings)})


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Makes ``find`` the validator of a field. ``schema`` is what the JSON Schema can say of the rule."""

    find: Callable[[str], Iterable[Finding]]
    schema: Mapping[str, Any] = field(default_factory=dict)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Run the rule on what the type itself accepts."""

        def validate(value: str) -> str:
            if findings := tuple(self.find(value)):
                raise refusal(findings)
            return value

        return core_schema.no_info_after_validator_function(validate, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Add the rule's hints to the type's schema."""
        return handler(core) | dict(self.schema)


def printable(text: str, limit: int = _SHOWN) -> str:
    """Return ``text`` as a message shows it: short, on one line, without control characters."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in short)


def quoted(text: str) -> str:
    """Return ``text`` printable and in quotes."""
    return f'"{printable(text)}"'


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the one of ``known`` that ``word`` is most likely meant to be, whatever its case and its dashes."""
    if len(word) > _SHOWN:
        return None
    plain = {_letters(name): name for name in known}
    found = get_close_matches(_letters(word), plain, n=1, cutoff=0.8)
    return plain[found[0]] if found else None


def _letters(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())


def each_once(values: list[_T]) -> list[_T]:
    """Refuse a list that names something twice; the findings lead to the repetitions."""
    doubled = [i for i, value in enumerate(values) if value in values[:i]]
    if doubled:
        raise refusal([Finding("is listed twice", "each once", "remove it", (i,)) for i in doubled])
    return values


def matching(pattern: str, expected: str, *, ignore_case: bool = False) -> Rule:
    """Return the rule that a text as a whole is ``pattern``; ``expected`` says so in words."""
    compiled = re.compile(pattern, re.IGNORECASE if ignore_case else 0)

    def find(value: str) -> Iterator[Finding]:
        if not compiled.fullmatch(value):
            yield Finding(f"{quoted(value)} is not valid", expected)

    return Rule(find, {} if ignore_case else {"pattern": f"^(?:{pattern})$"})


def one_line(limit: int) -> Rule:
    """Return the rule for a name that people read: something, on one line, of at most ``limit`` characters."""

    def find(value: str) -> Iterator[Finding]:
        if not value.strip():
            yield Finding("is empty", "a text for people")
        if any(not c.isprintable() for c in value):
            yield Finding("has a line break or a control character", "one line of text")
        if len(value) > limit:
            yield Finding(f"has {len(value)} characters", f"at most {limit}")

    return Rule(find, {"minLength": 1, "maxLength": limit})


def slug(value: str) -> Iterator[Finding]:
    """Find what keeps ``value`` from being a slug: it becomes part of addresses and names."""
    if _SLUG.fullmatch(value):
        return
    made = re.sub(r"[^a-z0-9_-]+", "_", value.lower()).strip("_-")[:63].rstrip("_-")
    yield Finding(
        f"{quoted(value)} is not a slug",
        'a-z, 0-9, "_" and "-", 2 to 63 characters, beginning and ending with a letter or digit',
        f'did you mean "{made}"?' if _SLUG.fullmatch(made) else "",
    )


def base_address(value: str) -> Iterator[Finding]:
    """Find what is wrong with a ``base_url``: http or https, a host, perhaps a port and a path, and nothing else."""
    if "{" in value or "}" in value:
        yield Finding("has a variable", "one address for all tenants", f"write {TENANT_VARIABLE} into the paths")
        return
    parts, findings = _address(value)
    yield from findings
    if parts is None:
        return
    yield from _plain_path(parts.path)
    if "?" in value or "#" in value:
        yield Finding("has a query or a fragment", "an address that paths can be appended to", "end it with the path")


def endpoint_path(
    value: str, *, tenant: Literal["needed", "possible", "refused"], thing: str | None = None
) -> Iterator[Finding]:
    """Find what is wrong with the path of a call, which is appended to ``base_url``.

    It is a template with ``{tenant_id}``, or plain where the body names the tenant; ``thing`` is a second variable that
    it must have (``{user_id}``). An absolute address is refused: the market's key goes to one host, the one that was
    checked.
    """
    if _ABSOLUTE.match(value):
        yield Finding("is an absolute address", "a path below base_url", "leave out the host")
        return
    variables = list(_variables(value, thing))
    yield from variables
    yield from _rooted(value)
    if "?" in value or "#" in value:
        yield Finding("has a query or a fragment", "a path alone, which may name the tenant")
    yield from _plain_path(re.split(r"[?#]", _without_variables(value))[0])
    if tenant == "refused" and TENANT_VARIABLE in value:
        yield Finding(f"has {TENANT_VARIABLE}", "a path without it: it is the whole service that is asked")
    if tenant == "needed" and TENANT_VARIABLE not in value and not variables:
        yield Finding("does not say which tenant", f"{TENANT_VARIABLE} in the path: a GET has no body to name it")
    if thing is not None and thing not in value and not variables:
        yield Finding(f"does not say which {thing[1:-4]}", f"{thing} in the path")


def access_address(value: str) -> Iterator[Finding]:
    """Find what is wrong with the address where users enter: a path below ``base_url``, or an http(s) address.

    ``{tenant_id}`` may stand anywhere in it, in the host too (``https://{tenant_id}.example.org``), and it may have a
    query and a fragment: it is a link for people, and no key is ever sent to it.
    """
    yield from _variables(value)
    filled = _without_variables(value)
    if _ABSOLUTE.match(filled):
        parts, findings = _address(filled)
        yield from findings
        if parts is None:
            return
        path = parts.path
    else:
        yield from _rooted(value)
        path = re.split(r"[?#]", filled)[0]
    yield from _plain_path(path)
    if any(not c.isprintable() or c in ' "<>\\^`|' for c in filled[filled.find(path) + len(path) :]):
        yield Finding("has a character that an address may not have", "it percent-encoded")


def _variables(template: str, thing: str | None = None) -> Iterator[Finding]:
    known = [TENANT_VARIABLE] if thing is None else [thing, TENANT_VARIABLE]
    for variable in _VARIABLE.finditer(template):
        if variable[0] not in known:
            yield Finding(
                f"has a variable that nobody fills in: {quoted(variable[0])}",
                " and ".join(known),
                f"did you mean `{closest(variable[0], known) or known[0]}`?",
            )
    if re.search(r"[{}]", _VARIABLE.sub("", template)):
        yield Finding("has a brace without its partner", TENANT_VARIABLE)


def _without_variables(template: str) -> str:
    """Return the template filled in with something harmless, so that the rest of it can be judged."""
    return re.sub(r"[{}]", "", _VARIABLE.sub("tenant", template))


def _rooted(path: str) -> Iterator[Finding]:
    if not path.startswith("/"):
        yield Finding("does not begin with a slash", "a path below base_url", f"write {quoted('/' + path)}")


def _plain_path(path: str) -> Iterator[Finding]:
    if bad := _NOT_IN_A_PATH.search(path):
        hint = quote(bad[0], errors="replace")
        yield Finding(f"has a character that a path may not have: {quoted(bad[0])}", "", f"write it as {hint}")
    if _DOT_SEGMENT.search(path):
        yield Finding('has a segment "." or ".."', "the path as it is called")


def _address(value: str) -> tuple[SplitResult | None, list[Finding]]:
    """Split an absolute address; return it (``None`` when it can not be judged further) and what is wrong with it."""
    example = 'an address such as "https://tutor.example.org" or "http://10.0.0.5:8000"'
    if any(c.isspace() or not c.isprintable() for c in value):  # urlsplit would silently drop some of them
        return None, [Finding("has a space or a control character", example, "remove it")]
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None, [Finding("is not an address", example)]
    if parts.scheme not in {"http", "https"}:
        guess = f"https://{value}"
        is_likely = "://" not in value and not _address(guess)[1]
        hint = f"did you mean {quoted(guess)}?" if is_likely else ""
        return None, [Finding("is not an http or https address", example, hint)]
    findings = []
    if "@" in parts.netloc:  # the value is not quoted: it may be a password
        findings.append(Finding("has a user name or a password", "an address alone", "the key goes in `auth.header`"))
    if port == 0:
        findings.append(Finding("has port 0", "a port from 1 to 65535"))
    if not _is_host(host):
        findings.append(Finding(f"has no valid host: {quoted(host)}", example, _ascii_host(host)))
    return parts, findings


def _is_host(host: str) -> bool:
    if ":" in host:
        return _is_ipv6(host)
    return len(host) <= 253 and all(_LABEL.fullmatch(label) for label in host.removesuffix(".").split("."))


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def _ascii_host(host: str) -> str:
    try:
        name = host.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
    return f"write it as {quoted(name)}" if name != host and _is_host(name) else ""
