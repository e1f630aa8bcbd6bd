"""Tenant ids: what is none is refused before any code sees it, and what is one works."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from mt_paas.conformance.checks._stories import repeated, returns
from mt_paas.conformance.checks.authentication import CALLS
from mt_paas.conformance.checks.lifecycle import judge_activation
from mt_paas.conformance.expect import Answer
from mt_paas.conformance.registry import check, version_2
from mt_paas.conformance.story import Story
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.models import StatusResponse

__all__: list[str] = []

_PATTERN = (
    "A `tenant_id` is `^[a-z0-9](?:[a-z0-9_-]{1,61})[a-z0-9]$`: it becomes a database name, a host label and a"
    " container name, so anything else is a 422 before any code sees it"
)
_MISMATCH = "Path and body disagree: 422 `tenant_id_mismatch`"
#: Ids that are none, as they are to be said, and as they stand in an address.
HOSTILE = {
    "upper case": "Mtpaas-test",
    "two characters": "ab",
    "64 characters": "a" * 64,
    "a dash at the beginning": "-mtpaas",
    "a dash at the end": "mtpaas-",
    "an underscore at the beginning": "_mtpaas",
    "an underscore at the end": "mtpaas_",
    "a space": "mtpaas test",
    "a space at the end": "mtpaas-test ",
    "a space at the beginning": " mtpaas-test",
    "a quote": "mtpaas'test",
    "a semicolon": "mtpaas;drop",
    "a dot": "mtpaas.test",
    "a letter that is not ASCII": "mtpaas-ä-test",
    "full-width letters": "ｍｔｐａａｓ",
    "Arabic digits": "mtpaas-١٢٣",
    "a line break at the end": "mtpaas-test\n",
    "a NUL": "mtpaas\0test",
}
#: Those that a proxy or a router may answer in its own way: with any 4xx.
_ROUTED = {
    "a slash": "mtpaas%2Ftest",
    "dots": "%2E%2E",
    "dots and a slash": "%2E%2E%2Fmtpaas",
    "a backslash": "mtpaas%5Ctest",
    "a percent sign": "mtpaas%25test",
}


#: A few of them for calls that others are like.
_SOME = ("upper case", "two characters", "64 characters", "a line break at the end", "a quote", "full-width letters")


async def _judge(t: Trial, method: str, endpoint: str, which: Iterable[str] = HOSTILE) -> None:
    if not t.target.names_tenant(endpoint):
        t.skip(f"the address of {endpoint} does not name the tenant")

    async def one(what: str, tenant_id: str, *, is_encoded: bool) -> tuple[str, Answer]:
        body = None
        if endpoint == "tenant_activate":
            body = t.body(tenant_id)
        elif method == "POST":
            body = {"reason": "admin_request", "preserve_data": True}
        return what, await t.call(method, endpoint, tenant_id, json=body, is_encoded=is_encoded)

    for what in which:
        tenant_id = HOSTILE[what]
        _, answer = await one(what, tenant_id, is_encoded=False)
        if answer.status != 422 and not (tenant_id.endswith("\0test") and answer.status == 400):
            answer.fail(f"expected 422 for a tenant id with {what}")
        if answer.status == 422:
            answer.refuse(422)
    if which is not HOSTILE:
        return
    for what, answer in await asyncio.gather(*[one(each, _ROUTED[each], is_encoded=True) for each in _ROUTED]):
        answer.require(400 <= answer.status < 500, f"expected 422, or another 4xx, for a tenant id with {what}")


@check("identifiers.activate", rule=_PATTERN)
async def activate(t: Trial) -> None:
    """Nothing is activated under an id that is none."""
    await _judge(t, "POST", "tenant_activate")


@check("identifiers.deactivate", rule=_PATTERN)
async def deactivate(t: Trial) -> None:
    """A deactivation of an id that is none is refused as such."""
    await _judge(t, "POST", "tenant_deactivate", _SOME)


@check("identifiers.status", rule=_PATTERN)
async def status(t: Trial) -> None:
    """The status of an id that is none is refused as such."""
    await _judge(t, "GET", "tenant_status")


@check("identifiers.usage", rule=_PATTERN)
async def usage(t: Trial) -> None:
    """The usage of an id that is none is refused as such, where usage is offered."""
    if not t.target.declares("usage_report") or t.target.document is None:
        t.skip("not declared: endpoints.usage_report")
    await _judge(t, "GET", "usage_report", _SOME)


@check("identifiers.everywhere", rule=_PATTERN, needs=[version_2])
async def everywhere(t: Trial) -> None:
    """An id that is none is refused as such in every call of version 2."""
    others = ("tenant_status", "tenant_deactivate", "usage_report")
    for endpoint in [each for each in CALLS if each not in others and t.target.declares(each)]:
        if not t.target.names_tenant(endpoint):
            continue
        for method, body in CALLS[endpoint]:
            for what in ("upper case", "a line break at the end"):
                answer = await t.call(
                    method, endpoint, HOSTILE[what], json=body, user_id="u-conformance-test", follow=False
                )
                if answer.status != 422:
                    answer.fail(f"expected 422 for a tenant id with {what}")
                answer.refuse(422)


@check("identifiers.in_body", rule=f"{_PATTERN}. {_MISMATCH}")
async def in_body(t: Trial) -> None:
    """An id that is none is refused in the body as well."""
    tenant_id = t.new_id()
    for wrong in ("Mtpaas-test", "ab", "a" * 64, "mtpaas test", "mtpaas-test\n", ""):
        answer = await t.activate(tenant_id, t.body(tenant_id) | {"tenant_id": wrong})
        if answer.status != 422:
            answer.fail(f"expected 422 for the body's tenant_id {wrong!r}")
        answer.refuse(422)
    (await t.status(tenant_id)).refuse(404, "tenant_not_found")


@check("identifiers.shortest", rule=_PATTERN)
async def shortest(t: Trial) -> None:
    """An id of 3 characters works, with a dash or an underscore in it."""
    _judge_works(await t.story(returns), 3)


@check("identifiers.longest", rule=_PATTERN)
async def longest(t: Trial) -> None:
    """An id of 63 characters works, with dashes and underscores in it."""
    _judge_works(await t.story(repeated), 63)


def _judge_works(story: Story, length: int) -> None:
    before = story["status_before"]
    if before.status != 404:
        before.fail(f"expected 404 for an id of {length} characters that the service does not have")
    tenant_id = story["activated"].expect(200).object().get("tenant_id", "")
    judge_activation(story["activated"], tenant_id)
    told = story["status"].expect(200).model(StatusResponse, tenant_id=tenant_id, status="active").tenant_id
    story["status"].require(len(told) == length, f"`tenant_id` has {len(told)} characters, and {length} were sent")


@check("identifiers.mismatch", rule=_MISMATCH)
async def mismatch(t: Trial) -> None:
    """A path and a body that name two tenants are refused, and neither is made."""
    if not t.target.names_tenant("tenant_activate"):
        t.skip("the address of tenant_activate does not name the tenant")
    in_path, in_body = t.new_id(), t.new_id()
    (await t.activate(in_path, t.body(in_body))).refuse(422, "tenant_id_mismatch")
    for tenant_id in (in_path, in_body):
        (await t.status(tenant_id)).refuse(404, "tenant_not_found")
