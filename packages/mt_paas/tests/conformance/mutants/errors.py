"""Faults in the shape of errors and answers, and in what they give away."""

from __future__ import annotations

from mt_paas.testing.doubles import FakeService

from mutants.planting import instead, members, mutant, plant, refusing, succeeding

ONE_SHAPE = "Errors are one shape that carries `{error, message}`"
NOT_FOUND = "Unknown tenant: 404 `tenant_not_found`"
AREAS = "errors format"


def _said(service, word="", **changes):
    def change(said):
        document = said.document | changes
        said.document = {name: value for name, value in document.items() if value is not None}

    refusing(service, change, word)


@mutant(AREAS, ONE_SHAPE)
def errors_are_web_pages(service):
    def change(said):
        said.body, said.headers["content-type"] = b"<h1>Not Found</h1>", "text/html"

    refusing(service, change)


@mutant(AREAS, ONE_SHAPE)
def errors_are_announced_as_text(service):
    refusing(service, lambda said: said.headers.update({"content-type": "text/plain"}))


@mutant(AREAS, ONE_SHAPE)
def errors_are_those_of_the_framework(service):
    def change(said):
        said.document = {"detail": "Not found"}

    refusing(service, change)


@mutant(AREAS, ONE_SHAPE)
def errors_are_nested(service):
    def change(said):
        said.document = {"error": {"code": said.document["error"], "message": "No."}}

    refusing(service, change)


@mutant(AREAS, ONE_SHAPE)
def errors_have_no_message(service):
    _said(service, message=None)


@mutant(AREAS, ONE_SHAPE)
def errors_have_an_empty_message(service):
    _said(service, message="")


@mutant(AREAS, ONE_SHAPE)
def errors_say_a_sentence_for_a_word(service):
    _said(service, error="Tenant not found")


@mutant(AREAS, ONE_SHAPE)
def errors_say_a_number_for_a_word(service):
    _said(service, error=404)


@mutant(AREAS, ONE_SHAPE)
def errors_tell_another_status(service):
    _said(service, status=500)


@mutant(AREAS + " status", NOT_FOUND)
def an_unknown_tenant_has_another_word(service):
    _said(service, "tenant_not_found", error="not_found")


@mutant(AREAS + " status", NOT_FOUND)
def an_unknown_tenant_is_410(service):
    refusing(service, lambda said: setattr(said, "status", 410), "tenant_not_found")


@mutant(AREAS + " status", NOT_FOUND)
def an_unknown_tenant_is_400(service):
    refusing(service, lambda said: setattr(said, "status", 400), "tenant_not_found")


@mutant(AREAS + " status", NOT_FOUND)
def an_unknown_tenant_is_null(service):
    def change(said):
        said.status, said.body, said.headers["content-type"] = 200, b"null", "application/json"

    refusing(service, change, "tenant_not_found", "status")


@mutant(AREAS, NOT_FOUND)
def an_unknown_tenant_is_deactivated(service):
    def change(said):
        said.status = 200
        said.document = {"status": "deactivated", "tenant_id": "x", "data_preserved": True}

    refusing(service, change, "tenant_not_found", "deactivate")


def _unknown(operation):
    """Plant a mutant that knows any tenant in one call."""

    def spoil(service: FakeService) -> None:
        def change(said):
            said.status, said.document = 200, {"items": [], "total": 0, "next_cursor": None}

        refusing(service, change, "tenant_not_found", operation)

    spoil.__name__ = f"{operation}_of_an_unknown_tenant_is_empty"
    mutant(AREAS, NOT_FOUND)(spoil)


for _operation in ("usage", "stats", "costs", "top_users", "users", "resources", "settings"):
    _unknown(_operation)


def _leak(name, text):
    """Plant a mutant whose errors tell of its inside."""

    def spoil(service: FakeService) -> None:
        _said(service, detail=text, details=text)

    spoil.__name__ = f"errors_hold_{name}"
    mutant(AREAS, "Secrets and stack traces are in no answer")(spoil)


_leak("a_python_trace", 'Traceback (most recent call last):\n  File "/srv/app.py", line 12, in activate')
_leak(
    "a_java_trace",
    "java.lang.NullPointerException\n\tat java.base/java.util.Optional.get(Optional.java:143)\n\tat com.x.A(A.java:1)",
)
_leak("sql", 'psycopg.errors.SyntaxError: syntax error at or near "DROP"')


@mutant(AREAS, "Secrets are in no answer")
def errors_hold_the_right_key(service):
    _said(service, details={"expected": service.api_key})


@mutant(AREAS, "Secrets are in no answer")
def answers_hold_the_key(service):
    members(service, "status", debug={"key": service.api_key})


@mutant(AREAS, "Secrets are in no answer")
def the_key_is_in_a_header(service):
    succeeding(service, "status", lambda said, call: said.headers.update({"x-debug-key": service.api_key}))


@mutant(AREAS + " status", "JSON is snake_case, UTF-8")
def answers_are_announced_as_a_web_page(service):
    succeeding(service, "status", lambda said, call: said.headers.update({"content-type": "text/html"}))


@mutant(AREAS + " status", "JSON is snake_case, UTF-8")
def answers_are_in_another_encoding(service):
    def change(said, call):
        said.body = said.body.decode().replace('"plan"', '"note":"한림","plan"').encode("cp949")

    succeeding(service, "status", change)


@mutant(AREAS + " status", "JSON is snake_case, UTF-8")
def answers_are_cut_short(service):
    succeeding(service, "status", lambda said, call: setattr(said, "body", said.body[:-1]))


@mutant(AREAS + " status", "JSON is snake_case, UTF-8")
def answers_are_in_camel_case(service):
    def change(said, call):
        document = said.document
        said.document = {"tenantId": document.pop("tenant_id"), "createdAt": document.pop("created_at")} | document

    succeeding(service, "status", change)


@mutant("status " + AREAS, "Unknown tenant: 404 `tenant_not_found`")
def an_unknown_tenant_breaks_the_service(service):
    plant(service, _broken(service), "status")


def _broken(service):
    async def behave(call):
        await (call.proceed() if call.recorded.tenant_id in service.tenants else instead(500, "internal_error")(call))

    return behave
