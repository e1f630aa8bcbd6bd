"""Notes per tenant, on mt_paas. Run it with ``uvicorn sample_service.app:app --port 8601``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Body, FastAPI
from mt_paas import CurrentTenant, TenantSession, setup_multi_tenant
from mt_paas.core import ManagedTenantHandler

metadata = sa.MetaData()
notes = sa.Table(
    "note",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("text", sa.Text),
    sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
)
Text = Annotated[str, Body(embed=True, min_length=1, max_length=10_000, pattern=r"^[^\x00]*$")]


class Notes(ManagedTenantHandler):
    """What the market is shown of a tenant; all else, users and settings too, is the library's."""

    def select_resources(self) -> sa.Select[Any]:
        """Show every note as a resource."""
        return sa.select(notes, sa.literal("note").label("type"), sa.func.left(notes.c.text, 80).label("name"))


app = FastAPI(title="Notes")
mt = setup_multi_tenant(app, manifest=Path(__file__).with_name("manifest.yaml"), metadata=metadata, handler=Notes)


@app.post("/app/notes", status_code=201)
async def write_note(text: Text, session: TenantSession) -> dict[str, str]:
    """Keep a note."""
    await session.execute(sa.insert(notes).values(text=text))
    mt.usage.count("notes_written")
    return {"text": text}


@app.get("/app/notes")
async def list_notes(session: TenantSession) -> list[dict[str, str]]:
    """List the tenant's notes, oldest first."""
    return [{"text": text} for text in await session.scalars(sa.select(notes.c.text).order_by(notes.c.id))]


@app.get("/app/{tenant_id}")
async def show_tenant(tenant: CurrentTenant) -> dict[str, str]:
    """Say whose notes these are."""
    return {"tenant_id": tenant.tenant_id, "name": tenant.name}
