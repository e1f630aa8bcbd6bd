"""Faults by which somebody gets in, or learns something, on a way that nobody looks at."""

from __future__ import annotations

import re

from mt_paas.conformance import SHOULD
from mt_paas.standard_api.models import TenantState, TenantSummary, UserStatus
from mt_paas.testing.doubles import FakeService, altering
from mt_paas.utils.security import digest_token

from mutants.planting import (
    KEY_HEADER,
    asking,
    given_key,
    instead,
    letting_in,
    members,
    mending,
    mutant,
    plant,
    refusing,
)

KEY = "Every call but health carries the market's key"
WRONG = "Missing or wrong key: 401 `invalid_api_key`"
VOUCHED = "Only for an address that the market vouches for (`email_verified: true`, under a valid key)"
DEPRECATED = "answer with `Deprecation` and `Link` headers"
UNKNOWN = "Unknown tenant: 404 `tenant_not_found`"
SECRET = "Secrets are in no answer"
SUSPENDED = "blocked for users, data untouched"
EXTENSION = "`GET /mt/tenants` is the authoritative list that the market reconciles against"
SECOND_KEY = "the-other-key-0123456789abcdef"


@mutant("authentication.other_ways", KEY)
def head_needs_no_key(service):
    async def behave(call):
        await (call.answer(200, b"", "application/json") if call.recorded.method == "HEAD" else call.proceed())

    plant(service, behave, None)


def _addressed(name, pattern, becomes):
    """Plant a mutant that serves an address, written otherwise, without a key."""

    def spoil(service):
        async def behave(call):
            path = call.scope["path"]
            if re.search(pattern, path) and given_key(call) is None:
                call = asking(call, path=re.sub(pattern, becomes, path), headers={KEY_HEADER: service.api_key})
            await call.proceed()

        plant(service, behave, None)

    spoil.__name__ = name
    mutant("authentication.other_ways", KEY)(spoil)


_addressed("a_slash_at_the_end_needs_no_key", r"(?<=.)/$", "")
_addressed("two_slashes_need_no_key", r"//", "/")
_addressed("a_blank_at_the_end_needs_no_key", r" $", "")


@mutant("authentication.aliases", "header aliases where the service says so")
class AnAliasIsDeclaredAndNotKnown(FakeService):
    def manifest(self, base_url):
        manifest = super().manifest(base_url)
        return manifest.model_copy(update={"auth": manifest.auth.model_copy(update={"header_aliases": ["X-API-Key"]})})

    async def __call__(self, scope, receive, send):
        scope["headers"] = [pair for pair in scope.get("headers", ()) if pair[0] != b"x-api-key"]
        await super().__call__(scope, receive, send)


@mutant("errors.no_leaks authentication.key", SECRET)
def a_refusal_tells_half_of_the_key(service):
    def change(said):
        said.document = said.document | {"message": f"The key begins with {service.api_key[:22]}."}

    refusing(service, change, "invalid_api_key")


def _telling(name, text):
    def spoil(service):
        def change(said):
            if said.body.startswith(b"{"):
                said.document = said.document | {"details": text}

        async def behave(call):
            await altering(lambda said, recorded: change(said) if said.status >= 400 else None)(call)

        plant(service, behave, None)

    spoil.__name__ = f"errors_hold_{name}"
    mutant("errors", SECRET)(spoil)


_telling("a_python_object", "<app.Tenant object at 0x7f3a5c0d2e80>")
_telling("a_place_in_a_library", "/usr/lib/python3.11/site-packages/app/db.py")
_telling("the_address_of_a_database", "could not connect to postgresql://app:hunter2@10.0.0.7/prod")


def _said(name, judge, breaks, **changes):
    def spoil(service):
        refusing(service, lambda said: setattr(said, "document", said.document | changes), on="status")

    spoil.__name__ = name
    mutant(judge, breaks)(spoil)


_said("every_error_has_one_request_id", "errors.request_ids", "`X-Request-ID` … come back in errors", request_id="r-1")
_said(
    "what_never_changes_is_retryable",
    "errors.retryable",
    "`{error, message, details?, request_id, retryable}`",
    retryable=True,
)
_said("the_type_of_an_error_is_a_number", "errors.shape", "`type, title, status, detail` (RFC 9457)", type=7)
_said("the_title_of_an_error_is_a_list", "errors.shape", "`type, title, status, detail` (RFC 9457)", title=["No"])
_said(
    "the_detail_of_an_error_is_an_object", "errors.shape", "`type, title, status, detail` (RFC 9457)", detail={"of": 1}
)


def _unknown(operation, method, status):
    """Plant a mutant in which one call on a tenant that is not there answers something else."""

    def spoil(service):
        async def behave(call):
            is_there = call.recorded.tenant_id in service.tenants or given_key(call) != service.api_key
            await (call.proceed() if is_there or call.recorded.method != method else instead(status, "forbidden")(call))

        plant(service, behave, operation)

    spoil.__name__ = f"{method.lower()}_{operation}_of_an_unknown_tenant_is_{status}"
    mutant("errors.unknown_tenant", UNKNOWN)(spoil)


_unknown("users", "POST", 403)
_unknown("user", "DELETE", 403)
_unknown("settings", "PUT", 409)


def _unchecked(operation):
    """Plant a mutant in which one call of version 2 does not look at the id."""

    def spoil(service):
        def change(said):
            said.status, said.document = 404, {"error": "tenant_not_found", "message": "There is no such tenant."}

        refusing(service, change, "invalid_tenant_id", operation)

    spoil.__name__ = f"{operation}_of_any_id_is_looked_up"
    mutant("identifiers.everywhere", "anything else is a 422 before any code sees it")(spoil)


for _operation in (
    "stats",
    "costs",
    "users",
    "user",
    "resources",
    "settings",
    "plan",
    "suspend",
    "purge",
    "export",
    "sso",
):
    _unchecked(_operation)


@mutant("legacy.key", VOUCHED)
def the_webhook_needs_no_key(service):
    letting_in(service, lambda call: True, "auto_provision")


@mutant("legacy.unverified", VOUCHED)
def who_is_not_named_is_vouched_for(service):
    mending(service, "auto_provision", lambda body: body.setdefault("email_verified", True))


@mutant("legacy.unverified", VOUCHED)
def any_word_is_a_voucher(service):
    def mend(body):
        body["email_verified"] = bool(body.get("email_verified"))

    mending(service, "auto_provision", mend)


def _older(name, judge, breaks, behave_at):
    """Plant a mutant in the older addresses of a tenant."""

    def spoil(service):
        async def behave(call):
            is_older = re.match("/api/tenant/(?!webhook)", call.scope["path"])
            await (behave_at(service, call) if is_older else call.proceed())

        plant(service, behave, None)

    spoil.__name__ = name
    mutant(judge, breaks)(spoil)


def _undeprecated(said, call):
    said.headers = {name: value for name, value in said.headers.items() if name.lower() not in {"deprecation", "link"}}


_older(
    "older_addresses_need_no_key",
    "legacy.alias_keys",
    KEY,
    lambda service, call: asking(call, headers={KEY_HEADER: service.api_key}).proceed(),
)
_older(
    "older_addresses_are_not_deprecated",
    "legacy.successors",
    DEPRECATED,
    lambda service, call: altering(_undeprecated)(call),
)
_older(
    "courses_are_discussions",
    "legacy.same_answer",
    "`GET /api/tenant/courses/{id}` goes to `GET /mt/tenant/{id}/resources?type=course`",
    lambda service, call: asking(call, path=call.scope["path"].replace("/courses/", "/discussions/")).proceed(),
)


@mutant("negotiation.refused", "a service that cannot serve it answers 412 `unsupported_api_version`")
def only_status_looks_at_the_version(service):
    async def behave(call):
        is_status = call.recorded.operation == "status"
        await (call if is_status else asking(call, headers={"x-mt-api-version": "2"})).proceed()

    plant(service, behave, None)


def _configured(name, change):
    """Plant a mutant whose configuration tells something else."""

    def spoil(service):
        def changed(said, call):
            document = said.document
            change(document)
            said.document = document

        async def behave(call):
            is_asked = call.scope["path"].endswith("/mt-configuration")
            await (altering(changed)(call) if is_asked else call.proceed())

        plant(service, behave, None)

    spoil.__name__ = name
    rule = "tells versions, extensions, limits, key set and schema addresses"
    mutant("discovery.complete", rule, level=SHOULD)(spoil)


_configured("discovery_tells_no_limits", lambda document: document.pop("limits"))
_configured("discovery_leads_nowhere", lambda document: document.update(schemas={"manifest": "/mt/nowhere"}))


class Open(FakeService):
    """A service whose links open a tenant in any state."""

    def opened(self, kind, token):
        link = self.links.get(digest_token(token))
        return link if link is not None and link.kind == kind and link.expires_at > self.clock() else None


@mutant("suspend.blocks_users", SUSPENDED)
class ALinkFromBeforeOpensASuspendedTenant(Open):
    pass


@mutant("sso.deactivated", "until then the tenant works")
class ALinkFromBeforeOpensADeactivatedTenant(Open):
    pass


@mutant("suspend.stays", SUSPENDED, level=SHOULD)
class AnActivationResumes(FakeService):
    async def activate_tenant(self, request):
        tenant = self._settled(request.tenant_id)
        if tenant is not None and tenant.state is TenantState.SUSPENDED:
            tenant.state = TenantState.ACTIVE
        return await super().activate_tenant(request)


@mutant("suspend.deactivated", "A deactivated tenant is *re*activated by an activation")
class AResumeOpensADeactivatedTenant(FakeService):
    async def resume_tenant(self, tenant_id):
        tenant = self.existing(tenant_id)
        tenant.state, tenant.deadline = TenantState.ACTIVE, None
        return await super().resume_tenant(tenant_id)


@mutant("sso.disabled", "`status: active|invited|disabled`", level=SHOULD)
class ADisabledUserIsLetIn(FakeService):
    async def create_sso_link(self, tenant_id, request):
        tenant = self.existing(tenant_id)
        user = self.user_of(tenant, request.user.email)
        if user is not None:
            tenant.users[user.id] = user.model_copy(update={"status": UserStatus.ACTIVE})
        return await super().create_sso_link(tenant_id, request)


def leading(service, trusts):
    """Have links lead to where ``return_to`` says, if ``trusts`` says so of it; else home."""
    wanted = []

    def mend(body):
        if isinstance(body.get("return_to"), str):
            wanted.append(body["return_to"])
            body["return_to"] = "/"

    def change(said, call):
        if said.status == 303 and trusts(wanted[-1]):
            said.headers["location"] = wanted[-1]

    async def behave(call):
        await (altering(change)(call) if call.scope["path"].startswith("/sso/") else call.proceed())

    mending(service, "sso", mend)
    plant(service, behave, None)


def _trusting(name, trusts):
    def spoil(service):
        leading(service, trusts)

    spoil.__name__ = name
    mutant("sso.return_to", "`POST …/sso {user{email, name, role}, return_to}`")(spoil)


_trusting("what_begins_with_the_own_address_is_trusted", lambda target: target.startswith("http://127.0.0.1:"))
_trusting("a_script_is_trusted", lambda target: target.startswith("javascript:"))
_trusting("three_slashes_are_trusted", lambda target: target.startswith("///"))
_trusting("a_tab_between_slashes_is_trusted", lambda target: target.startswith("/\t/"))


@mutant("sso.return_to_kept", "`POST …/sso {user{email, name, role}, return_to}`", level=SHOULD)
def everybody_is_led_home(service):
    leading(service, lambda target: False)


@mutant("inventory.agrees", EXTENSION)
class TheListShowsSuspendedTenantsAsActive(FakeService):
    async def list_tenants(self, query):
        page = await super().list_tenants(query)
        active = {"status": TenantState.ACTIVE}
        items = [item.model_copy(update=active) if item.status == "suspended" else item for item in page.items]
        return page.model_copy(update={"items": items})


@mutant("inventory.lists", EXTENSION)
class TheListHasPurgedTenants(FakeService):
    async def list_tenants(self, query):
        page = await super().list_tenants(query)
        gone = [TenantSummary(tenant_id=each, status=TenantState.ACTIVE) for each in self.purged]
        return page if query.cursor else page.model_copy(update={"items": [*gone, *page.items][: query.limit]})


@mutant("inventory.agrees", EXTENSION)
def the_list_tells_another_plan(service):
    members(service, "inventory", items__plan="premium")


@mutant("inventory.agrees", EXTENSION)
def the_list_tells_another_time(service):
    members(service, "inventory", items__created_at="2020-01-01T00:00:00Z")


@mutant("rotation", "a service accepts two keys during a rotation window", second_key=SECOND_KEY)
def the_second_key_only_reads(service):
    async def behave(call):
        writes = call.recorded.method != "GET" and given_key(call) == SECOND_KEY
        await (instead(401, "invalid_api_key")(call) if writes else call.proceed())

    plant(service, behave, None)


@mutant("health.now", "`{status: healthy|degraded|unhealthy, version, timestamp}`")
def health_tells_when_it_began(service):
    members(service, "health", timestamp="2026-01-01T00:00:00Z")


@mutant("health.parts", "`{status: healthy|degraded|unhealthy, version, timestamp}`", level=SHOULD)
def health_hides_a_broken_part(service):
    members(service, "health", checks={"database": {"status": "unhealthy"}})
