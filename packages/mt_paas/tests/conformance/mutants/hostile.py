"""Faults that only odd input brings out: what a database, a pattern or a number's type does with it."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import datetime

from mt_paas.testing.doubles import Call, FakeService

from mutants.planting import mutant, plant
from mutants.status import asked, period_of

NEVER_BREAKS = "Models are strict about types and values; whatever comes, the answer is one of the contract"
PERIOD = "anything else is 422 `invalid_period`"
BROKEN = b'{"error":"internal_error","message":"Something broke."}'


def breaking(service: FakeService, on: str, is_odd, method: str | None = None) -> None:
    """Have a call break the service where ``is_odd`` says so of the call."""

    async def behave(call: Call) -> None:
        await (call.answer(500, BROKEN, "application/json") if is_odd(call) else call.proceed())

    plant(service, behave, on, method)


def texts(value):
    """Yield every text in a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from (name, *texts(member))
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


@mutant("bodies", NEVER_BREAKS)
def a_zero_character_breaks_the_service(service):
    breaking(service, "activate", lambda call: any("\0" in text for text in texts(call.recorded.body)))


@mutant("bodies", NEVER_BREAKS)
def half_a_character_breaks_the_service(service):
    def is_odd(call):
        return any(re.search("[\ud800-\udfff]", text) for text in texts(call.recorded.body))

    breaking(service, "activate", is_odd)


@mutant("bodies", NEVER_BREAKS)
def a_long_name_breaks_the_service(service):
    breaking(service, "activate", lambda call: any(len(text) > 255 for text in texts(call.recorded.body)))


@mutant("bodies", NEVER_BREAKS)
def a_number_of_twenty_digits_breaks_the_service(service):
    def is_odd(call):
        body = call.recorded.body
        config = body.get("config") if isinstance(body, dict) else None
        numbers = config.values() if isinstance(config, dict) else ()
        return any(isinstance(number, int) and number >= 2**63 for number in numbers)

    breaking(service, "activate", is_odd)


@mutant("bodies", NEVER_BREAKS)
def what_is_no_utf_8_breaks_the_service(service):
    def is_odd(call):
        raw = call.recorded.body
        if not isinstance(raw, bytes):
            return False
        try:
            raw.decode()
        except UnicodeDecodeError:
            return True
        return False

    breaking(service, "activate", is_odd)


@mutant("bodies", NEVER_BREAKS)
def a_large_body_breaks_the_service(service):
    breaking(service, "activate", lambda call: len(json.dumps(str(call.recorded.body))) > 1_000_000)


@mutant("bodies", NEVER_BREAKS)
def another_method_breaks_the_service(service):
    breaking(service, "activate", lambda call: call.recorded.method != "POST")


@mutant("identifiers", NEVER_BREAKS)
def a_quote_in_an_id_breaks_the_service(service):
    breaking(service, "status", lambda call: "'" in (call.recorded.tenant_id or ""))


@mutant("identifiers", NEVER_BREAKS)
def a_zero_byte_in_an_id_breaks_the_service(service):
    breaking(service, "status", lambda call: "\0" in (call.recorded.tenant_id or ""))


@mutant("users", NEVER_BREAKS)
def an_odd_user_id_breaks_the_service(service):
    breaking(service, "user", lambda call: not re.fullmatch(r"u_[0-9]{8}", call.recorded.path.rpartition("/")[2]))


@mutant("users", NEVER_BREAKS)
def a_long_name_of_a_user_breaks_the_service(service):
    breaking(service, "users", lambda call: any(len(text) > 255 for text in texts(call.recorded.body)), "POST")


@mutant("users", NEVER_BREAKS)
def a_zero_character_in_a_user_breaks_the_service(service):
    breaking(service, "users", lambda call: any("\0" in text for text in texts(call.recorded.body)), "POST")


def _period(name, means):
    """Plant a mutant that takes what is no period for one."""

    def spoil(service: FakeService) -> None:
        async def behave(call: Call) -> None:
            meant = means(period_of(call))
            await (asked(call, f"period={meant}".encode()) if meant else call).proceed()

        plant(service, behave, "usage")

    spoil.__name__ = name
    mutant("usage", PERIOD)(spoil)


def parsed(period: str, form: str, as_form: str) -> str | None:
    try:
        return datetime.strptime(period, form).strftime(as_form)  # noqa: DTZ007 - a date alone
    except ValueError:
        return None


_period("a_month_of_one_digit_is_taken", lambda period: parsed(period, "%Y-%m", "%Y-%m"))
_period("a_day_without_dashes_is_taken", lambda period: parsed(period, "%Y%m%d", "%Y-%m-%d"))
_period("digits_of_every_script_make_a_period", lambda period: unicodedata.normalize("NFKC", period))
_period("a_day_and_its_time_are_taken", lambda period: parsed(period[:10], "%Y-%m-%d", "%Y-%m-%d"))
_period("periods_are_words_in_any_case", lambda period: period.strip().lower())
_period("weeks_are_taken", lambda period: "daily" if re.fullmatch(r"\d{4}-W\d\d|weekly", period) else None)
