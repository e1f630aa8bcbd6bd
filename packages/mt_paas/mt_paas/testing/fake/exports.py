"""The export of a tenant's data from a fake service: an operation, and the file that its result leads to."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mt_paas.standard_api.models import ExportResult, OperationAccepted
from mt_paas.testing.fake.doors import gone
from mt_paas.testing.fake.operations import Operations
from mt_paas.utils.security import digest_token

__all__ = ["Exports"]

_LIFETIME = timedelta(hours=1)


class Exports(Operations):
    """The call that exports, and the download."""

    async def export_tenant(self, tenant_id: str) -> OperationAccepted:
        """Begin to export a tenant's data. Other calls for the tenant go on meanwhile."""
        self.refuse_while_running(tenant_id)
        self.existing(tenant_id)
        return self.begin(tenant_id, "export", None, lambda: self._export(tenant_id), is_lifecycle=False)

    def downloads(self) -> list[Route]:
        """Return the route of the files."""
        return [Route("/exports/{token}", self._download, methods=["GET"])]

    def _export(self, tenant_id: str) -> ExportResult:
        """Write down what the tenant has at this moment, and return where it is."""
        tenant = self.existing(tenant_id)
        document = {
            "tenant_id": tenant_id,
            "tenant_name": tenant.request.tenant_name,
            "exported_at": self.clock().isoformat(),
            "users": [user.model_dump(mode="json") for user in tenant.users.values()],
            "resources": [resource.model_dump(mode="json") for resource in tenant.resources.values()],
            "settings": tenant.settings,
            "data": tenant.data,
        }
        file = json.dumps(document, ensure_ascii=False, indent=2).encode()
        download_url, expires_at = self.new_link("exports", tenant_id, _LIFETIME, file)
        return ExportResult(
            download_url=download_url,
            expires_at=expires_at,
            format="json",
            size_bytes=len(file),
            sha256=hashlib.sha256(file).hexdigest(),
        )

    async def _download(self, request: Request) -> Response:
        link = self.links.get(digest_token(request.path_params["token"]))
        if link is None or link.kind != "exports" or link.expires_at <= self.clock():
            return gone()
        headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{link.tenant_id}.json"'}
        return Response(link.payload, media_type="application/json", headers=headers)
