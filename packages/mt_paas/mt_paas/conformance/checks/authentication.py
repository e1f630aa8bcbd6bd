"""The market's key: nothing but health is done without it, on whatever endpoint, and it is looked at first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from mt_paas.conformance.checks._stories import TELLING_KEYS, refusals, wrong_keys
from mt_paas.conformance.expect import Answer, Blocked
from mt_paas.conformance.registry import SHOULD, Need, Profile, check
from mt_paas.conformance.target import Target
from mt_paas.conformance.tenants import Tenant
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.models import StatusResponse

__all__ = ["CALLS"]

_KEY = "Every call but health carries the market's key"
_WRONG = "Missing or wrong key: 401 `invalid_api_key`"
_USER, _OPERATION = "u-conformance-test", "op-conformance-test"

#: How each endpoint is called: method, and a body that could be meant. All but health takes the key.
CALLS: dict[str, tuple[tuple[str, Any], ...]] = {
    "tenant_status": (("GET", None),),
    "tenant_deactivate": (("POST", {"reason": "admin_request", "preserve_data": True}),),
    "usage_report": (("GET", None),),
    "stats": (("GET", None),),
    "stats_costs": (("GET", None),),
    "stats_top_users": (("GET", None),),
    "users": (("GET", None), ("POST", {"email": "conformance@example.org"})),
    "user": (("PUT", {"name": "Nobody"}), ("DELETE", None)),
    "resources": (("GET", None),),
    "settings": (("GET", None), ("PUT", {"settings": {}})),
    "operation": (("GET", None),),
    "plan_change": (("POST", {"plan": "basic", "features": [], "config": {}}),),
    "suspend": (("POST", {"reason": "policy"}),),
    "resume": (("POST", {}),),
    "purge": (("DELETE", None),),
    "export": (("POST", {}),),
    "credentials_rotate": (("POST", {}),),
    "sso": (("POST", {"user": {"email": "conformance@example.org", "name": "Nobody", "role": "student"}}),),
    "inventory": (("GET", None),),
}
#: What only looks: such calls are tried on a tenant that is there, too.
_READING = frozenset(
    {"tenant_status", "usage_report", "stats", "stats_costs", "stats_top_users", "resources", "inventory"}
)


def _telling_keys(key: str) -> list[tuple[str, str | None]]:
    return [(what, wrong) for what, wrong in wrong_keys(key).items() if what in TELLING_KEYS]


@check("authentication.key", name="API Key Validation", rule=_WRONG, profile=Profile.CORE)
async def key_is_checked(t: Trial) -> None:
    """A call without the key is refused, one with a wrong key too, and one with the key is not."""
    tenant: Tenant | str
    try:
        tenant = await t.shared()
    except Blocked:  # the key can be judged all the same: it comes before the tenant
        tenant = t.new_id()
    for what, wrong in wrong_keys(t.run.key).items():
        _judge(await t.status(tenant, key=wrong), what)
    _judge(await t.status(tenant, key=None, headers=t.key_header("")), "an empty key")
    (await t.status(tenant)).expect(404 if isinstance(tenant, str) else 200)


@check("authentication.header", rule=f"{_KEY} in the header that the manifest names")
async def key_is_in_its_header(t: Trial) -> None:
    """The key counts in its header alone: not in the query, and not in a header that nobody named."""
    tenant = await t.shared()
    url, key = t.target.address("tenant_status", tenant.id), t.run.key
    for name in ("api_key", "key", t.target.key_header):
        _judge(await t.send("GET", url, key=None, query={name: key}), f"the key in the query ({name})")
    for name in ("X-Not-The-Key", "Cookie"):
        headers = {name: f"{t.target.key_header}={key}" if name == "Cookie" else key}
        _judge(await t.send("GET", url, key=None, headers=headers), f"the key in the header {name}")
    if t.target.key_header.lower() != "authorization":
        headers = {"Authorization": f"Bearer {key}"}
        _judge(await t.send("GET", url, key=None, headers=headers), "the key in the header Authorization")


@check("authentication.header_case", rule=f"{_KEY} in the header that the manifest names")
async def header_counts_in_any_case(t: Trial) -> None:
    """The header of the key is the same in capitals and in small letters."""
    tenant, (name, value) = await t.shared(), next(iter(t.key_header(t.run.key).items()))
    for spelling in (name.lower(), name.upper()):
        (await t.status(tenant, key=None, headers={spelling: value})).expect(200)


@check("authentication.aliases", rule="header aliases where the service says so")
async def aliases_carry_the_key(t: Trial) -> None:
    """The key counts in the other headers that the manifest names, and a wrong one counts in none."""
    if not t.target.header_aliases:
        t.skip("not declared: auth.header_aliases")
    tenant = await t.shared()
    for name in t.target.header_aliases:
        (await t.status(tenant, key=None, headers=t.key_header(t.run.key, name))).expect(200)
        wrong = t.key_header("not-the-key-of-any-market-0123456789", name)
        _judge(await t.status(tenant, key=None, headers=wrong), f"a wrong key in the header {name}")


@check("authentication.other_ways", rule=_KEY)
async def there_is_no_other_way_in(t: Trial) -> None:
    """Nothing is served without the key by HEAD, nor at an address that is written otherwise."""
    tenant = await t.shared()
    for endpoint in CALLS:
        if endpoint not in _READING or not t.target.declares(endpoint):
            continue
        url = t.target.address(endpoint, tenant.id)
        head, _, tail = url.rpartition("/")
        ways = [("HEAD", url), ("GET", f"{url}/")]
        if endpoint == "tenant_status":
            ways += [("GET", f"{head}//{tail}"), ("GET", f"{head}/./{tail}"), ("GET", f"{url}%20"), ("POST", url)]
        for method, way in ways:
            answer = await t.send(method, way, key=None, tolerate=(501,))
            answer.require(answer.status >= 300, "expected 401, or another refusal, of a call without the key")


@check("authentication.two_keys", level=SHOULD, rule=_WRONG)
async def two_keys_are_refused(t: Trial) -> None:
    """The key's header given twice, the right key and a wrong one, is refused, whichever comes first."""
    tenant = await t.shared()
    name, wrong = t.target.key_header, "not-the-key-of-any-market-0123456789"
    for first, second in ((t.run.key, wrong), (wrong, t.run.key)):
        # Names of headers are the same in whatever case (RFC 9110, section 5.1): on the wire this is one, twice.
        headers = {**t.key_header(first, name), **t.key_header(second, name.swapcase())}
        answer = await t.status(tenant, key=None, headers=headers)
        which = "second" if second == wrong else "first"
        answer.require(answer.status in {400, 401}, f"expected 401 invalid_api_key for two keys, the {which} one wrong")


@check("authentication.first", rule=f"{_KEY}; {_WRONG}")
async def key_comes_first(t: Trial) -> None:
    """The key is looked at before the tenant, its id and the body."""
    unknown, broken = t.new_id(), b'{"tenant_id": '
    _judge(await t.status(unknown, key="wrong-key-0123456789"), "a wrong key, and a tenant that is not there")
    for endpoint in ("tenant_activate", "tenant_deactivate"):
        answer = await t.call("POST", endpoint, unknown, content=broken, key="wrong-key-0123456789")
        _judge(answer, "a wrong key, and a body that is not JSON")
        _judge(await t.call("POST", endpoint, unknown, content=broken, key=None), "no key, and a body that is not JSON")
    if t.target.names_tenant("tenant_status"):
        _judge(await t.status("NOT-an-id!", key="wrong-key-0123456789"), "a wrong key, and an id that is none")


@check("authentication.tenant_activate", rule=_WRONG)
async def activation_needs_the_key(t: Trial) -> None:
    """No tenant is activated without the key, and nothing is left of the attempt."""
    tenant_id = t.new_id()
    body = t.body(tenant_id)
    for what, wrong in _telling_keys(t.run.key):
        _judge(await t.activate(tenant_id, body, key=wrong), what)
    (await t.status(tenant_id)).refuse(404, "tenant_not_found")


@check("authentication.tenant_deactivate", rule=_WRONG)
async def deactivation_needs_the_key(t: Trial) -> None:
    """No tenant is deactivated without the key."""
    story = await t.story(refusals)
    for what in TELLING_KEYS:
        _judge(story[f"key {what}"], what)
    story["status_keys"].expect(200).model(StatusResponse, status="active")


def _declares(endpoint: str) -> Need:
    def need(target: Target) -> str | None:
        return None if target.declares(endpoint) else f"not declared: endpoints.{endpoint}"

    return need


def _endpoint_needs_the_key(endpoint: str) -> Callable[[Trial], Awaitable[None]]:
    async def needs_the_key(t: Trial) -> None:
        tenant: Tenant | str = await t.shared() if endpoint in _READING else t.new_id()
        for method, body in CALLS[endpoint]:
            for what, wrong in _telling_keys(t.run.key):
                answer = await t.call(
                    method, endpoint, tenant, json=body, key=wrong, user_id=_USER, operation_id=_OPERATION
                )
                if endpoint == "usage_report" and t.target.document is None and answer.status in {404, 405}:
                    t.skip("the service does not offer usage, which is optional")
                _judge(answer, what)

    return needs_the_key


for _endpoint in CALLS:
    if _endpoint not in {"tenant_status", "tenant_deactivate"}:
        check(
            f"authentication.{_endpoint}",
            name=f"`{_endpoint}` needs the key",
            rule=f"{_KEY}. {_WRONG}",
            needs=[_declares(_endpoint)],
        )(_endpoint_needs_the_key(_endpoint))


def _judge(answer: Answer, what: str) -> None:
    if answer.status != 401:
        answer.fail(f"expected 401 invalid_api_key for {what}")
    answer.refuse(401, "invalid_api_key")
