"""Faults in the export of a tenant's data."""

from __future__ import annotations

from mt_paas.errors import TenantNotFound
from mt_paas.testing.doubles import Call, FakeService
from starlette.requests import Request

from mutants.planting import given_key, instead, members, mutant, plant, refusing, succeeding

EXPORT = "`POST …/export` → an operation whose result is a download link: the tenant's data in an open format"
UNKNOWN = "Unknown tenant: 404 `tenant_not_found`"


@mutant("export", EXPORT)
def the_link_to_an_export_is_a_path(service):
    def change(said, call):
        document = said.document
        if (document.get("result") or {}).get("download_url"):
            document["result"]["download_url"] = "/exports/" + document["result"]["download_url"].rpartition("/")[2]
        said.document = document

    succeeding(service, "operation", change)


@mutant("export", EXPORT)
def the_link_to_an_export_is_missing(service):
    members(service, "operation", result=lambda result: result and {"format": "json"})


class Download(FakeService):
    """A service whose exports hold something else."""

    def file(self, link):
        return link.payload

    async def _download(self, request: Request):
        answer = await super()._download(request)
        if answer.status_code == 200:
            answer.body = self.file(answer.body)
            answer.headers["content-length"] = str(len(answer.body))
        return answer


@mutant("export", EXPORT)
class AnExportIsEmpty(Download):
    def file(self, body):
        return b""


@mutant("export", EXPORT)
class AnExportHasNoUsers(Download):
    def file(self, body):
        return b'{"tenant_id": "x", "users": []}'


@mutant("export", EXPORT)
class AnExportHasEverybody(Download):
    def file(self, body):
        return body + str([user.email for tenant in self.tenants.values() for user in tenant.users.values()]).encode()


@mutant("export", EXPORT)
class AnExportIsGone(FakeService):
    async def _download(self, request: Request):
        self.links.clear()
        return await super()._download(request)


@mutant("export", EXPORT)
def an_export_needs_the_key(service):
    async def behave(call: Call) -> None:
        is_closed = call.recorded.path.startswith("/exports/") and given_key(call) != service.api_key
        await (instead(401, "invalid_api_key")(call) if is_closed else call.proceed())

    plant(service, behave, None)


@mutant("export", EXPORT)
class AnExportFails(FakeService):
    def _export(self, tenant_id):
        raise TenantNotFound


@mutant("export errors", UNKNOWN)
def an_unknown_tenant_is_exported(service):
    def change(said):
        said.status, said.document = 202, {"operation_id": "op_1", "status": "in_progress", "retry_after": 1}

    refusing(service, change, "tenant_not_found", "export")


@mutant("export errors", "Secrets are in no answer")
def an_export_holds_the_key(service):
    members(service, "operation", result=lambda result: result and result | {"key": service.api_key})
