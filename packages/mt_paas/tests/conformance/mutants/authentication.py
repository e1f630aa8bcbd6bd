"""Faults in how a service knows the market."""

from __future__ import annotations

import json

from mt_paas.conformance import SHOULD
from mt_paas.errors import InvalidTenantId, TenantNotFound
from mt_paas.standard_api.models import ActivateRequest
from mt_paas.testing.doubles import Call, FakeService, refuse

from mutants.planting import KEY_HEADER, given_key, letting_in, mutant, plant, refusing

REFUSED = "Missing or wrong key: 401 `invalid_api_key`"
# What judges the key itself; that every call asks for it is judged call by call.
KEY = "authentication.key authentication.header authentication.first authentication.tenant_activate"
HEADER = "Every call but health carries the market's key in the header that the manifest names"


@mutant(KEY, REFUSED)
def a_beginning_of_the_key_opens(service):
    letting_in(service, lambda call: given_key(call) and service.api_key.startswith(given_key(call)))


@mutant(KEY, REFUSED)
def what_begins_with_the_key_opens(service):
    letting_in(service, lambda call: (given_key(call) or "").startswith(service.api_key))


@mutant(KEY, REFUSED)
def the_key_opens_in_any_case(service):
    letting_in(service, lambda call: (given_key(call) or "").lower() == service.api_key.lower())


@mutant(KEY, REFUSED)
def an_empty_key_opens(service):
    letting_in(service, lambda call: given_key(call) == "")


@mutant(KEY, REFUSED)
def no_key_opens(service):
    letting_in(service, lambda call: given_key(call) is None)


@mutant(KEY, REFUSED)
def any_key_opens(service):
    letting_in(service, lambda call: bool(given_key(call)))


@mutant(KEY, HEADER)
def the_key_opens_in_the_query(service):
    letting_in(service, lambda call: f"key={service.api_key}".encode() in call.scope["query_string"])


@mutant(KEY, HEADER)
def the_key_opens_in_any_header(service):
    letting_in(service, lambda call: any(service.api_key.encode() in value for _, value in call.scope["headers"]))


@mutant(KEY, REFUSED)
def a_wrong_key_is_403(service):
    refusing(service, lambda said: setattr(said, "status", 403), "invalid_api_key")


@mutant(KEY, REFUSED)
def a_wrong_key_has_another_word(service):
    def change(said):
        said.document = said.document | {"error": "unauthorized"}

    refusing(service, change, "invalid_api_key")


@mutant(KEY, REFUSED)
def a_wrong_key_is_an_empty_401(service):
    refusing(service, lambda said: setattr(said, "body", b""), "invalid_api_key")


@mutant(KEY, REFUSED)
def strangers_learn_which_tenants_there_are(service):
    async def behave(call: Call) -> None:
        is_known = call.recorded.tenant_id is None or call.recorded.tenant_id in service.tenants
        await (call.proceed() if is_known or call.recorded.operation == "activate" else refuse(TenantNotFound)(call))

    plant(service, behave, None)


@mutant(KEY, REFUSED)
def the_body_is_read_before_the_key_is_looked_at(service):
    async def behave(call: Call) -> None:
        is_valid = isinstance(call.recorded.body, dict)
        await (call.proceed() if is_valid else refuse_body(call))

    async def refuse_body(call: Call) -> None:
        body = json.dumps({"error": "invalid_body", "message": "No."}).encode()
        await call.answer(422, body, "application/json")

    plant(service, behave, "activate")


@mutant(KEY, REFUSED)
def the_tenant_id_is_looked_at_before_the_key(service):
    async def behave(call: Call) -> None:
        is_odd = call.recorded.tenant_id is not None and call.recorded.tenant_id != call.recorded.tenant_id.lower()
        await (refuse(InvalidTenantId)(call) if is_odd else call.proceed())

    plant(service, behave, None)


@mutant(KEY, REFUSED)
def a_refused_activation_leaves_a_tenant(service):
    async def behave(call: Call) -> None:
        if given_key(call) != service.api_key and isinstance(call.recorded.body, dict):
            await service.activate_tenant(ActivateRequest.model_validate_json(json.dumps(call.recorded.body)))
        await call.proceed()

    plant(service, behave, "activate")


def _open(operation, method, judge):
    """Plant a mutant in which one call needs no key."""

    def spoil(service: FakeService) -> None:
        letting_in(service, lambda call: True, operation, method)

    spoil.__name__ = f"{method.lower()}_{operation}_needs_no_key"
    mutant(f"authentication.{judge}", HEADER)(spoil)


for _operation, _method, _judge in (
    ("activate", "POST", "tenant_activate"),
    ("deactivate", "POST", "tenant_deactivate"),
    ("status", "GET", "key"),
    ("usage", "GET", "usage_report"),
    ("stats", "GET", "stats"),
    ("costs", "GET", "stats_costs"),
    ("top_users", "GET", "stats_top_users"),
    ("users", "GET", "users"),
    ("users", "POST", "users"),
    ("user", "PUT", "user"),
    ("user", "DELETE", "user"),
    ("resources", "GET", "resources"),
    ("settings", "GET", "settings"),
    ("settings", "PUT", "settings"),
    ("operation", "GET", "operation"),
    ("plan", "POST", "plan_change"),
    ("suspend", "POST", "suspend"),
    ("resume", "POST", "resume"),
    ("purge", "DELETE", "purge"),
    ("export", "POST", "export"),
    ("credentials", "POST", "credentials_rotate"),
    ("sso", "POST", "sso"),
    ("inventory", "GET", "inventory"),
):
    _open(_operation, _method, _judge)


@mutant(KEY, REFUSED)
def only_the_length_of_the_key_counts(service):
    letting_in(service, lambda call: len(given_key(call) or "") == len(service.api_key))


@mutant("rotation", "a service accepts two keys during a rotation window", second_key="the-other-key-0123456789abcdef")
def the_second_key_opens_only_version_1(service):
    old = {"activate", "deactivate", "status", "usage", "health"}

    async def behave(call: Call) -> None:
        is_old = given_key(call) == service.api_key or call.recorded.operation in old
        body = json.dumps({"error": "invalid_api_key", "message": "No."}).encode()
        await (call.proceed() if is_old else call.answer(401, body, "application/json"))

    plant(service, behave, None)


@mutant("rotation", "a service accepts two keys during a rotation window")
def there_is_no_second_key(service):
    """The tester is given a second key that the service does not know."""


def given_keys(call: Call) -> list[str]:
    return [value.decode("latin-1") for name, value in call.scope["headers"] if name == KEY_HEADER.encode()]


@mutant("authentication.two_keys", REFUSED, level=SHOULD)
def of_two_keys_the_first_counts(service):
    letting_in(service, lambda call: given_keys(call)[:1] == [service.api_key])


@mutant("authentication.two_keys", REFUSED, level=SHOULD)
def of_two_keys_the_last_counts(service):
    letting_in(service, lambda call: given_keys(call)[-1:] == [service.api_key])
