"""Commands for what a manifest may declare beyond the two versions: export, credentials, sign-on, inventory."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from mt_paas.simulator.commands.grammar import Words, checked
from mt_paas.simulator.commands.registry import IN, Reply, command
from mt_paas.simulator.commands.session import Session
from mt_paas.standard_api.client import StandardAPIClient
from mt_paas.standard_api.models import CredentialsResponse, ExportResult, SsoRequest, SsoResponse, TenantSummary

__all__: list[str] = []


@command("export TENANT", needs="export", states=IN.there)
async def export(session: Session, words: Words) -> Reply:
    """Have a tenant's data exported, and show where they can be fetched."""
    tenant_id, key = words.word("TENANT"), str(uuid4())
    words.finish()

    async def send(client: StandardAPIClient) -> ExportResult:
        return await client.export(tenant_id, idempotency_key=key)

    answer = (await session.market.ask("export", send, tenant_id)).answer
    return Reply("exported", answer.model_dump(mode="json", exclude_none=True), {"download": answer.download_url})


@command("rotate TENANT", needs="credentials_rotate", states=IN.active)
async def rotate(session: Session, words: Words) -> Reply:
    """Have the administrator given new credentials; the old ones end."""
    tenant_id, key = words.word("TENANT"), str(uuid4())
    words.finish()

    async def send(client: StandardAPIClient) -> CredentialsResponse:
        return await client.rotate_credentials(tenant_id, idempotency_key=key)

    credentials = (await session.market.ask("rotate", send, tenant_id)).answer.admin_credentials
    if (tenant := session.market.tenants.get(tenant_id)) is not None:
        tenant.setup_url = credentials.setup_url
    links = {"set-up link": credentials.setup_url} if credentials.setup_url else {}
    return Reply("new credentials", credentials.model_dump(mode="json", exclude_none=True), links)


@command("sso TENANT [EMAIL] [name=…] [role=…] [return_to=/path]", needs="sso", states=IN.active)
async def sso(session: Session, words: Words) -> Reply:
    """Ask for a link that logs a user in once, within 60 seconds."""
    tenant_id = words.word("TENANT")
    tenant = session.market.tenants.get(tenant_id)
    email = words.word("EMAIL", tenant.request.admin.email if tenant else None)
    user = {"email": email, "name": words.option("name"), "role": words.option("role")}
    content: dict[str, Any] = {"user": {name: value for name, value in user.items() if value is not None}}
    if (path := words.option("return_to")) is not None:
        content["return_to"] = path
    words.finish()
    request = checked(SsoRequest, content)

    async def send(client: StandardAPIClient) -> SsoResponse:
        return await client.sso(tenant_id, request)

    answer = (await session.market.ask("sso", send, tenant_id)).answer
    answered = answer.model_dump(mode="json", exclude_none=True)
    return Reply("a link that works once", answered, {"launch": answer.launch_url})


@command("inventory", needs="inventory")
async def inventory(session: Session, words: Words) -> Reply:
    """List every tenant that the service has, and where this market believes otherwise."""
    words.finish()

    async def send(client: StandardAPIClient) -> list[TenantSummary]:
        return [tenant async for tenant in client.walk_tenants()]

    found = (await session.market.ask("inventory", send)).answer
    lines = []
    for summary in found:
        tenant = session.market.tenants.get(summary.tenant_id)
        believed = "unknown to this market" if tenant is None else str(tenant.state)
        lines.append(
            f"{summary.tenant_id}  {summary.status}" + (f"  ({believed})" if believed != summary.status else "")
        )
    missing = {tenant.tenant_id for tenant in session.market.tenants.left} - {each.tenant_id for each in found}
    lines += [f"{tenant_id}  is missing there" for tenant_id in sorted(missing)]
    return Reply("\n".join(lines) or "none", {"items": [each.model_dump(mode="json") for each in found]})
