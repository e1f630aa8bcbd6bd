"""Faults in credentials and in single sign-on."""

from __future__ import annotations

import asyncio
import re

from mt_paas.testing.doubles import Call, FakeService, altering
from starlette.requests import Request
from starlette.responses import RedirectResponse

from mutants.planting import GONE, asking, members, mending, mutant, plant, refusing, succeeding

CREDENTIALS = "`POST …/credentials/rotate`: new admin credentials; the old ones end"
SSO = "`{launch_url}`: a one-time, 60-second link that logs the user in"
UNKNOWN = "Unknown tenant: 404 `tenant_not_found`"
INVALID = "A body that is not valid: 422 `invalid_body`"


@mutant("credentials", CREDENTIALS)
class NewCredentialsAreTheOldOnes(FakeService):
    async def rotate_credentials(self, tenant_id):
        before = self.existing(tenant_id).credentials
        links = dict(self.links)
        answer = await super().rotate_credentials(tenant_id)
        self.tenants[tenant_id].credentials, self.links = before, links
        return answer.model_copy(update={"admin_credentials": before})


@mutant("credentials", CREDENTIALS)
class OldCredentialsStayGood(FakeService):
    def end_links(self, tenant_id, *kinds):
        """End nothing."""


@mutant("credentials", CREDENTIALS)
def new_credentials_are_a_password(service):
    members(service, "credentials", admin_credentials={"username": "admin", "password": "hunter2hunter2"})


@mutant("credentials", CREDENTIALS)
def new_credentials_come_with_a_password(service):
    members(service, "credentials", admin_credentials__temp_password="hunter2hunter2")


@mutant("credentials", CREDENTIALS)
def new_credentials_are_missing(service):
    members(service, "credentials", admin_credentials=GONE)


@mutant("credentials", CREDENTIALS)
def new_credentials_have_ended(service):
    members(service, "credentials", admin_credentials__expires_at="2020-01-01T00:00:00Z")


@mutant("sso", SSO)
class ALinkLogsInTwice(FakeService):
    async def _launch(self, request: Request):
        links = dict(self.links)
        answer = await super()._launch(request)
        self.links |= links
        return answer


@mutant("sso", SSO)
class ALinkLogsInSomeAtOnce(FakeService):
    async def _launch(self, request: Request):
        link = self.opened("sso", request.path_params["token"])
        await asyncio.sleep(0.05)
        if link is None:
            return await super()._launch(request)
        self.links.pop(next((key for key, each in self.links.items() if each is link), ""), None)
        return RedirectResponse(self.public_url, 303)


@mutant("sso", SSO)
class AnyLinkLogsIn(FakeService):
    async def _launch(self, request: Request):
        return RedirectResponse(self.public_url, 303)


@mutant("sso", SSO)
class TheSameLinkForEverybody(FakeService):
    async def create_sso_link(self, tenant_id, request):
        self.only = getattr(self, "only", None) or await super().create_sso_link(tenant_id, request)
        return self.only


@mutant("sso", SSO)
def a_link_lasts_for_an_hour(service):
    members(service, "sso", expires_at="2099-01-01T00:00:00Z")


@mutant("sso", SSO)
def a_link_is_a_path(service):
    members(service, "sso", launch_url="/sso/abc")


@mutant("sso", SSO)
def a_link_has_another_name(service):
    def change(said, call):
        said.document = {"url": said.document["launch_url"]}

    succeeding(service, "sso", change)


@mutant("sso", SSO)
def a_link_leads_nowhere(service):
    members(service, "sso", launch_url=lambda url: url.replace("/sso/", "/nowhere/"))


@mutant("sso", "`POST …/sso {user{email, name, role}, return_to}`")
def a_link_leads_to_any_host(service):
    wanted = {}

    async def behave(call: Call) -> None:
        if call.recorded.operation == "sso" and isinstance(call.recorded.body, dict):
            foreign = call.recorded.body.get("return_to")
            if isinstance(foreign, str) and re.match(r"[a-z]+://|//|/\\|\\\\", foreign):
                body = {name: value for name, value in call.recorded.body.items() if name != "return_to"}
                await altering(
                    lambda said, _: wanted.update({said.document["launch_url"].rpartition("/")[2]: foreign})
                )(asking(call, body=body))
                return
        token = call.recorded.path.rpartition("/")[2]
        if token in wanted:
            await altering(lambda said, _: said.headers.update({"location": wanted[token]}))(call)
            return
        await call.proceed()

    plant(service, behave, None)


@mutant("sso", INVALID)
def nobody_need_be_logged_in(service):
    def mend(body):
        if not isinstance(body.get("user"), dict):
            body["user"] = {"email": "a@example.org"}
        body["user"].setdefault("email", "a@example.org")

    mending(service, "sso", mend)


@mutant("sso errors", UNKNOWN)
def a_link_leads_into_an_unknown_tenant(service):
    def change(said):
        said.status, said.document = 200, {"launch_url": "http://127.0.0.1/sso/x"}

    refusing(service, change, "tenant_not_found", "sso")


@mutant("sso errors format", "Secrets are in no answer")
def a_launch_link_holds_the_key(service):
    members(service, "sso", launch_url=lambda url: f"{url}?key={service.api_key}")


@mutant("credentials", CREDENTIALS)
class ASetUpLinkOfAnotherTenant(FakeService):
    """Every rotation gives the link that was made first in this service."""

    async def rotate_credentials(self, tenant_id):
        answer = await super().rotate_credentials(tenant_id)
        self.first = getattr(self, "first", answer.admin_credentials)
        return answer.model_copy(update={"admin_credentials": self.first})
