"""Faults in what a service takes for the body of a call."""

from __future__ import annotations

import contextlib
import json

from mt_paas.standard_api.models import ActivateRequest
from mt_paas.testing.doubles import Call, FakeService

from mutants.planting import asking, mending, mutant, plant, refusing

INVALID = "A body that is not valid: 422 `invalid_body` with every fault and its path"
STRICT = "Models are strict about types and values"
PLAN = "a plan the service does not have: 422 `invalid_plan`"


def config_of(body):
    return body["config"] if isinstance(body.get("config"), dict) else {}


@mutant("bodies", STRICT)
def a_number_may_be_a_text(service):
    def mend(body):
        config = config_of(body)
        config |= {name: int(value) for name, value in config.items() if isinstance(value, str) and value.isdigit()}

    mending(service, "activate", mend)


@mutant("bodies", STRICT)
def true_is_a_number(service):
    def mend(body):
        config = config_of(body)
        config |= {name: int(value) for name, value in config.items() if isinstance(value, bool)}

    mending(service, "activate", mend)


@mutant("bodies", STRICT)
def a_text_may_be_a_number(service):
    def mend(body):
        body |= {name: str(value) for name, value in body.items() if isinstance(value, (int, float))}

    mending(service, "activate", mend)


@mutant("bodies", STRICT)
def features_may_be_a_text(service):
    def mend(body):
        if isinstance(body.get("features"), str):
            body["features"] = [body["features"]]

    mending(service, "activate", mend)


@mutant("bodies", STRICT)
def true_may_be_a_word(service):
    def mend(body):
        if body.get("preserve_data") in {"true", "false"}:
            body["preserve_data"] = body["preserve_data"] == "true"

    mending(service, "deactivate", mend)


@mutant("bodies", STRICT)
def one_is_true(service):
    def mend(body):
        if body.get("preserve_data") in {0, 1}:
            body["preserve_data"] = bool(body["preserve_data"])

    mending(service, "deactivate", mend)


def _defaulted(operation, member, value):
    """Plant a mutant that goes on without a required member."""

    def spoil(service: FakeService) -> None:
        mending(service, operation, lambda body: body.setdefault(member, value))

    spoil.__name__ = f"{operation}_goes_without_{member}"
    mutant("bodies", INVALID)(spoil)


for _member, _value in (
    ("tenant_name", "?"),
    ("plan", "basic"),
    ("admin", {"email": "a@example.org", "name": "?"}),
):
    _defaulted("activate", _member, _value)
_defaulted("deactivate", "preserve_data", True)
_defaulted("deactivate", "reason", "admin_request")


@mutant("bodies", INVALID)
def the_body_need_not_name_the_tenant(service):
    async def behave(call: Call) -> None:
        body = call.recorded.body
        if isinstance(body, dict) and "tenant_id" not in body:
            call = asking(call, body=body | {"tenant_id": call.recorded.tenant_id})
        await call.proceed()

    plant(service, behave, "activate")


@mutant("bodies", INVALID)
def null_is_as_good_as_nothing(service):
    def mend(body):
        for name, value in (("tenant_name", "?"), ("plan", "basic")):
            if name in body and body[name] is None:
                body[name] = value

    mending(service, "activate", mend)


@mutant("bodies", STRICT)
def any_text_is_an_address(service):
    def mend(body):
        admin = body.get("admin")
        if isinstance(admin, dict) and isinstance(admin.get("email"), str) and "@" not in admin["email"]:
            admin["email"] += "@example.org"

    mending(service, "activate", mend)


@mutant("bodies", STRICT)
def a_name_may_be_empty(service):
    def mend(body):
        if body.get("tenant_name") == "":
            body["tenant_name"] = "?"

    mending(service, "activate", mend)


@mutant("bodies", STRICT)
def limits_may_be_negative(service):
    def mend(body):
        config = config_of(body)
        config |= {
            n: abs(v) for n, v in config.items() if isinstance(v, (int, float)) and not isinstance(v, bool) and v < 0
        }

    mending(service, "activate", mend)


@mutant("bodies", "body `reason: subscription_expired|admin_request|violation`")
def any_reason_will_do(service):
    def mend(body):
        if isinstance(body.get("reason"), str):
            body["reason"] = "admin_request"

    mending(service, "deactivate", mend)


@mutant("bodies", INVALID)
def only_the_first_fault_is_told(service):
    def change(said):
        document = said.document
        document["details"] = document["details"][:1]
        document["message"] = document["detail"] = document["message"].split(";")[0]
        said.document = document

    refusing(service, change, "invalid_body")


@mutant("bodies", INVALID)
def no_fault_is_told(service):
    def change(said):
        said.document = {"error": "invalid_body", "message": "The body is not valid."}

    refusing(service, change, "invalid_body")


@mutant("bodies", INVALID)
def a_wrong_body_is_400(service):
    refusing(service, lambda said: setattr(said, "status", 400), "invalid_body")


@mutant("bodies", INVALID)
def a_wrong_body_has_another_word(service):
    def change(said):
        said.document = said.document | {"error": "validation_error"}

    refusing(service, change, "invalid_body")


@mutant("bodies", INVALID)
def what_is_no_json_breaks_the_service(service):
    async def behave(call: Call) -> None:
        if isinstance(call.recorded.body, bytes):
            await call.answer(500, b'{"error":"internal_error","message":"Something broke."}', "application/json")
        else:
            await call.proceed()

    plant(service, behave, "activate")


@mutant("bodies", INVALID)
def an_array_breaks_the_service(service):
    async def behave(call: Call) -> None:
        if isinstance(call.recorded.body, list):
            await call.answer(500, b'{"error":"internal_error","message":"Something broke."}', "application/json")
        else:
            await call.proceed()

    plant(service, behave, "deactivate")


@mutant("bodies", "JSON is snake_case, UTF-8")
def every_encoding_is_read(service):
    async def behave(call: Call) -> None:
        raw = call.recorded.body
        if isinstance(raw, bytes):
            with contextlib.suppress(ValueError):
                call = asking(call, body=json.loads(raw.decode("latin-1")))
        await call.proceed()

    plant(service, behave, "activate")


@mutant("bodies", INVALID)
def a_refused_body_leaves_a_tenant(service):
    async def behave(call: Call) -> None:
        body = call.recorded.body
        if isinstance(body, dict) and body.get("tenant_id") == call.recorded.tenant_id:
            whole = {"tenant_name": "?", "plan": "basic", "admin": {"email": "a@example.org", "name": "?"}}
            if body.keys() < {*whole, "tenant_id", "config", "features"}:
                made = ActivateRequest.model_validate_json(json.dumps(whole | {"tenant_id": body["tenant_id"]}))
                await service.activate_tenant(made)
        await call.proceed()

    plant(service, behave, "activate")


@mutant("bodies", PLAN)
def any_plan_will_do(service):
    def mend(body):
        if isinstance(body.get("plan"), str) and body["plan"] not in service.plans:
            body["plan"] = service.plans[0]

    mending(service, "activate", mend)


@mutant("bodies", PLAN)
def an_unknown_plan_is_an_invalid_body(service):
    def change(said):
        said.document = said.document | {"error": "invalid_body"}

    refusing(service, change, "invalid_plan")


@mutant("bodies", PLAN)
def an_unknown_plan_is_not_found(service):
    refusing(service, lambda said: setattr(said, "status", 404), "invalid_plan")


@mutant("bodies", "Errors are one shape")
def a_get_activates(service):
    async def behave(call: Call) -> None:
        if call.recorded.method == "GET":
            await call.answer(200, b'{"status":"activated"}', "application/json")
        else:
            await call.proceed()

    plant(service, behave, "activate")


@mutant("bodies", STRICT)
def a_deep_body_breaks_the_service(service):
    async def behave(call: Call) -> None:
        if isinstance(call.recorded.body, bytes) and call.recorded.body.count(b"[") > 500:
            await call.answer(500, b'{"error":"internal_error","message":"Too deep."}', "application/json")
        else:
            await call.proceed()

    plant(service, behave, "activate")
