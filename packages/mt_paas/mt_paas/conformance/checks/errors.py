"""Form of answers, and of errors: one shape, stable words, nothing of the service's inside."""

from __future__ import annotations

from mt_paas.conformance.checks.authentication import CALLS
from mt_paas.conformance.checks.lifecycle import judge_activation
from mt_paas.conformance.registry import SHOULD, Phase, Profile, check, version_2
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.models import Health, StatusResponse

__all__: list[str] = []

_JSON = "JSON is snake_case, UTF-8; times are RFC 3339 in UTC"
_ONE_SHAPE = "Errors are one shape: `application/problem+json` … A plain `{error, message}` conforms too"
_UNKNOWN = "Unknown tenant: 404 `tenant_not_found`"
_REQUEST_ID = "`X-Request-ID` and W3C `traceparent` travel with every call and come back in errors and logs"
_MESSAGE = "`error` is a stable machine word from a published registry, `message` is for people"
# The first names no tenant; of the others one needs an operation, and one is no call on a tenant.
_NO_TENANT = frozenset({"inventory", "operation"})


@check("format.response", name="Response Format", rule=_JSON, profile=Profile.CORE)
async def response_format(t: Trial) -> None:
    """Health, activation, status and errors are JSON of the contract's types and members."""
    (await t.call("GET", "health", key=None)).expect(200).model(Health)
    tenant = await t.shared()
    judge_activation(tenant.answer, tenant.id)
    (await t.status(tenant)).expect(200).model(StatusResponse, tenant_id=tenant.id)
    (await t.status(t.new_id())).refuse(404)


@check("errors.unknown_tenant", rule=_UNKNOWN, profile=Profile.CORE)
async def unknown_tenant(t: Trial) -> None:
    """Whatever is asked about a tenant that is not there is answered 404."""
    for endpoint, calls in CALLS.items():
        if endpoint in _NO_TENANT or not t.target.declares(endpoint):
            continue
        for method, meant in calls:
            body = meant | {"plan": t.run.tenants.plans[0]} if endpoint == "plan_change" else meant
            answer = await t.call(
                method,
                endpoint,
                t.new_id(),
                json=body,
                headers={"If-Match": '"1"'} if (endpoint, method) == ("settings", "PUT") else {},
                user_id="u-conformance-test",
                tolerate=(501,),
                follow=False,
            )
            if endpoint == "usage_report" and (answer.status == 501 or t.target.document is None):
                continue
            if (endpoint, method, answer.status) == ("settings", "PUT", 412):
                continue  # what is not there matches no If-Match (RFC 9110, section 13.1.1)
            answer.refuse(404, "tenant_not_found")


@check("errors.shape", rule=_ONE_SHAPE)
async def shape(t: Trial) -> None:
    """Errors of every kind have a machine word and a message."""
    unknown = t.new_id()
    (await t.status(unknown, key=None)).refuse(401)
    (await t.status(unknown)).refuse(404)
    (await t.activate(unknown, t.body(unknown, plan=None))).refuse(422)
    (await t.call("POST", "tenant_activate", unknown, content=b"{")).refuse(422)
    if t.target.names_tenant("tenant_status"):
        (await t.status("Not-An-Id")).refuse(422)


@check("errors.retryable", rule=f"{_ONE_SHAPE}: `{{error, message, details?, request_id, retryable}}`")
async def not_retryable(t: Trial) -> None:
    """Of a call that will never be answered otherwise nobody is told to try it again."""
    unknown = t.new_id()
    answers = [await t.status(unknown, key=None), await t.status(unknown)]
    answers.append(await t.call("POST", "tenant_activate", unknown, content=b"{"))
    for answer in answers:
        if answer.status in {401, 404, 422}:
            answer.require(answer.error().get("retryable") is not True, "`retryable` is true, and it never changes")


@check("errors.request_ids", rule=_REQUEST_ID)
async def request_ids_differ(t: Trial) -> None:
    """Two calls have two request ids, where errors tell them."""
    unknown = t.new_id()
    answers = [await t.status(unknown, headers={"X-Request-ID": t.unique("conformance-")}) for _ in range(2)]
    told = [answer.refuse(404).get("request_id") for answer in answers]
    if None in told:
        t.skip("errors tell no request_id")
    answers[-1].require(told[0] != told[1], f"both errors have the request_id {told[0]!r}")


@check("errors.unknown_address", rule=_ONE_SHAPE, level=SHOULD)
async def unknown_address(t: Trial) -> None:
    """An address below /mt that is not there is answered 404, in the one shape of errors."""
    (await t.send("GET", "/mt/no-such-address-of-the-contract")).refuse((404, 405))


@check("errors.request_id", rule=_REQUEST_ID, level=SHOULD, needs=[version_2])
async def request_id(t: Trial) -> None:
    """The id of a request comes back with its error: in the header `X-Request-ID`, as `request_id`, or both."""
    sent = t.unique("conformance-")
    answer = await t.status(t.new_id(), headers={"X-Request-ID": sent})
    error = answer.refuse(404)
    told = [each for each in (answer.headers.get("x-request-id"), error.get("request_id")) if each is not None]
    came = ", ".join(map(repr, told)) or "none"
    answer.require(set(told) == {sent}, f"{sent!r} was sent in X-Request-ID, and {came} came back")


@check("errors.no_leaks", rule=_MESSAGE, phase=Phase.LATE)
async def no_leaks(t: Trial) -> None:
    """No answer of the whole run holds the key, or anything of the service's inside."""
    for leak in t.run.leaks:
        leak.answer.fail(f"it holds {leak.what}")
