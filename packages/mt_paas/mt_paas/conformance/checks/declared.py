"""What a service says of itself: its manifest, the versions that it speaks, and its configuration."""

from __future__ import annotations

from typing import Any

from mt_paas.conformance.expect import Answer
from mt_paas.conformance.registry import SHOULD, check, only_version_1, version_2
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.manifest import EXTENSIONS
from mt_paas.standard_api.models import ServiceConfiguration

__all__: list[str] = []

_MANIFEST = '`version: "1.0"` must be accepted as the seeds define it; `version: "2.0"` adds endpoints'
_VERSION = (
    "the market sends `X-MT-API-Version: 2`; a service that cannot serve it answers 412 `unsupported_api_version` with"
    " the versions it has"
)
_DISCOVERY = "`GET /mt/.well-known/mt-configuration` tells versions, extensions, limits, key set and schema addresses"
_HEADER = "X-MT-API-Version"
_PATH = "/mt/.well-known/mt-configuration"


@check("manifest.valid", rule=_MANIFEST)
async def manifest_is_valid(t: Trial) -> None:
    """The manifest has no fault."""
    document = t.target.document
    if document is None:
        t.skip("no manifest was given, and the service serves none")
    if document.faults:
        t.fail("; ".join(document.faults))


@check("negotiation.served", rule=_VERSION, needs=[version_2])
async def versions_are_served(t: Trial) -> None:
    """Version 2 is served to who asks for it, and something to who does not ask."""
    tenant = await t.shared()
    for version in ("2", None):
        (await t.status(tenant, headers={_HEADER: version})).expect(200)


@check("negotiation.refused", rule=_VERSION, needs=[version_2])
async def other_versions_are_refused(t: Trial) -> None:
    """A version that nobody has is refused, with the versions that there are."""
    tenant = await t.shared()
    for version in ("99", "abc"):
        _judge_versions(await t.status(tenant, headers={_HEADER: version}), "2")
    for endpoint in ("usage_report", "stats", "users", "resources", "settings", "inventory"):
        if t.target.declares(endpoint):
            whose = tenant if t.target.names_tenant(endpoint) else ""
            _judge_versions(await t.call("GET", endpoint, whose, headers={_HEADER: "99"}), "2")
    unknown = t.new_id()
    _judge_versions(await t.activate(unknown, headers={_HEADER: "99"}), "2")
    (await t.status(unknown)).refuse(404, "tenant_not_found")


@check("negotiation.first_version", rule=_VERSION, needs=[only_version_1])
async def version_1_is_served_to_who_asks(t: Trial) -> None:
    """A service of version 1 serves who asks for that; who asks for another is served all the same, or told so."""
    tenant = await t.shared()
    (await t.status(tenant, headers={_HEADER: "1"})).expect(200)
    answer = await t.status(tenant, headers={_HEADER: "2"})
    if answer.status != 200:
        _judge_versions(answer, "1")


@check("discovery.there", rule=_DISCOVERY, level=SHOULD, needs=[version_2])
async def configuration_is_there(t: Trial) -> None:
    """The service tells its configuration."""
    (await t.send("GET", _PATH)).expect(200).object()


@check("discovery.complete", rule=_DISCOVERY, level=SHOULD, needs=[version_2])
async def configuration_is_complete(t: Trial) -> None:
    """The configuration has all its members, and the addresses in it lead to something."""
    answer = await _configuration(t)
    schemas = answer.model(ServiceConfiguration).schemas
    for address in (schemas.manifest, schemas.openapi, schemas.errors):
        if address is not None and address.startswith("/"):
            (await t.send("GET", address)).expect(200)


async def _configuration(t: Trial) -> Answer:
    answer = await t.send("GET", _PATH, tolerate=(501,))
    if answer.status in {404, 405, 501}:
        t.skip("the service does not tell its configuration: see discovery.there")
    return answer.expect(200)


@check("discovery.agrees", rule=_DISCOVERY, needs=[version_2])
async def configuration_agrees(t: Trial) -> None:
    """The configuration says what the manifest says."""
    answer = await _configuration(t)
    told = answer.object()
    versions = told.get("versions")
    if not isinstance(versions, list):
        answer.fail("`versions` is no list")
    answer.require("2" in {str(each) for each in versions}, f"`versions` is {versions!r}, and the manifest says 2.0")
    _judge_extensions(t, answer, told.get("extensions"))
    keys = told.get("keys")
    header = keys.get("header") if isinstance(keys, dict) else None
    if isinstance(header, str):
        right = header.lower() == t.target.key_header.lower()
        answer.require(right, f"`keys.header` is {header!r}, and the manifest says {t.target.key_header!r}")


def _judge_versions(answer: Answer, version: str) -> None:
    error = answer.refuse(412, "unsupported_api_version")
    said = f"{error.get('details')} {error['message']} {error.get('versions')} {error.get('supported')}"
    answer.require(version in said, "it does not tell the versions that the service has")


def _judge_extensions(t: Trial, answer: Answer, told: Any) -> None:
    if not isinstance(told, list):
        answer.fail("`extensions` is no list")
    declared = {
        name
        for name, endpoint in EXTENSIONS.items()
        if (t.target.has_capability(name) if endpoint is None else t.target.declares(endpoint))
    }
    known = {str(each) for each in told} & set(EXTENSIONS)
    answer.require(
        known == declared,
        f"`extensions` are {', '.join(sorted(known)) or 'none'}; the manifest declares"
        f" {', '.join(sorted(declared)) or 'none'}",
    )
