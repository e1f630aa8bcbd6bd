"""Faults in what a service takes for a tenant id."""

from __future__ import annotations

import re
import unicodedata

from mt_paas.standard_api.models import TENANT_ID_PATTERN
from mt_paas.testing.doubles import Call, FakeService

from mutants.planting import asking, instead, mutant, plant, refusing

RULE = "A `tenant_id` is `^[a-z0-9](?:[a-z0-9_-]{1,61})[a-z0-9]$`: anything else is a 422 before any code sees it"
MISMATCH = "Path and body disagree: 422 `tenant_id_mismatch`"


def taking(service: FakeService, means, on: str | None = None) -> None:
    """Have ids be taken for others: ``means`` tells which."""

    async def behave(call: Call) -> None:
        tenant_id, body = call.recorded.tenant_id, call.recorded.body
        meant = means(tenant_id) if tenant_id else tenant_id
        if tenant_id and meant != tenant_id and re.fullmatch(TENANT_ID_PATTERN, meant):
            body = body | {"tenant_id": meant} if isinstance(body, dict) and "tenant_id" in body else body
            call = asking(call, path=call.recorded.path.replace(tenant_id, meant), body=body)
        await call.proceed()

    plant(service, behave, on)


@mutant("identifiers", RULE)
def capitals_are_taken_for_small_letters(service):
    taking(service, str.lower)


@mutant("identifiers", RULE)
def a_newline_at_the_end_is_not_seen(service):
    taking(service, lambda tenant_id: tenant_id.removesuffix("\n"))


@mutant("identifiers", RULE)
def blanks_are_stripped(service):
    taking(service, lambda tenant_id: tenant_id.strip(" "))


@mutant("identifiers", RULE)
def digits_of_every_script_are_digits(service):
    taking(service, lambda tenant_id: unicodedata.normalize("NFKC", tenant_id))


@mutant("identifiers", RULE)
def long_ids_are_cut(service):
    taking(service, lambda tenant_id: tenant_id[:63])


@mutant("identifiers", RULE)
def two_characters_are_enough(service):
    taking(service, lambda tenant_id: tenant_id + "-0" if len(tenant_id) == 2 else tenant_id)


@mutant("identifiers", RULE)
def dashes_at_the_ends_are_stripped(service):
    taking(service, lambda tenant_id: tenant_id.strip("-_"))


@mutant("identifiers", RULE)
def a_zero_byte_ends_an_id(service):
    taking(service, lambda tenant_id: tenant_id.partition("\0")[0])


@mutant("identifiers", RULE)
def punctuation_is_left_out(service):
    taking(service, lambda tenant_id: re.sub(r"[^a-z0-9_-]", "", tenant_id))


def _unchecked(operation):
    """Plant a mutant in which one call does not look at the id: nobody has it, so it is not found."""

    def spoil(service: FakeService) -> None:
        def change(said):
            said.status, said.document = 404, {"error": "tenant_not_found", "message": "There is no such tenant."}

        refusing(service, change, "invalid_tenant_id", operation)

    spoil.__name__ = f"{operation}_looks_up_any_id"
    mutant("identifiers", RULE)(spoil)


for _operation in ("deactivate", "status", "usage"):
    _unchecked(_operation)


@mutant("identifiers", RULE)
def a_wrong_id_is_400(service):
    refusing(service, lambda said: setattr(said, "status", 400), "invalid_tenant_id")


@mutant("identifiers", RULE)
def a_wrong_id_breaks_the_service(service):
    refusing(service, lambda said: setattr(said, "status", 500), "invalid_tenant_id", "status")


@mutant("identifiers", RULE)
def sixty_three_characters_are_too_many(service):
    async def behave(call: Call) -> None:
        await (instead(422, "invalid_tenant_id")(call) if len(call.recorded.tenant_id or "") > 62 else call.proceed())

    plant(service, behave, "activate")


@mutant("identifiers", RULE)
def three_characters_are_too_few(service):
    async def behave(call: Call) -> None:
        await (
            instead(422, "invalid_tenant_id")(call) if len(call.recorded.tenant_id or "abcd") < 4 else call.proceed()
        )

    plant(service, behave, "activate")


@mutant("identifiers", RULE)
def underscores_are_refused(service):
    async def behave(call: Call) -> None:
        await (instead(422, "invalid_tenant_id")(call) if "_" in (call.recorded.tenant_id or "") else call.proceed())

    plant(service, behave, "activate")


@mutant("identifiers", MISMATCH)
def the_path_counts_whatever_the_body_says(service):
    async def behave(call: Call) -> None:
        body = call.recorded.body
        if isinstance(body, dict) and isinstance(body.get("tenant_id"), str):
            call = asking(call, body=body | {"tenant_id": call.recorded.tenant_id})
        await call.proceed()

    plant(service, behave, "activate")


@mutant("identifiers", MISMATCH)
def the_body_counts_whatever_the_path_says(service):
    async def behave(call: Call) -> None:
        body = call.recorded.body
        if isinstance(body, dict) and re.fullmatch(TENANT_ID_PATTERN, str(body.get("tenant_id"))):
            call = asking(call, path=f"/mt/tenant/{body['tenant_id']}/activate")
        await call.proceed()

    plant(service, behave, "activate")


@mutant("identifiers", MISMATCH)
def a_mismatch_has_another_word(service):
    def change(said):
        said.document = said.document | {"error": "bad_request"}

    refusing(service, change, "tenant_id_mismatch")


@mutant("identifiers", MISMATCH)
def a_mismatch_is_a_conflict(service):
    refusing(service, lambda said: setattr(said, "status", 409), "tenant_id_mismatch")
