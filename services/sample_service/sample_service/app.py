"""Notes per tenant, on mt_paas. Run it with ``uvicorn sample_service.app:app --port 8601``."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from mt_paas import CurrentTenant, TenantSession, setup_multi_tenant
from pydantic import BaseModel, Field
from sqlalchemy import BigInteger, Column, Identity, MetaData, Table, Text, insert, select

metadata = MetaData()
notes = Table("note", metadata, Column("id", BigInteger, Identity(), primary_key=True), Column("text", Text))


class Note(BaseModel):
    """A note, as it travels."""

    text: str = Field(min_length=1, max_length=10_000, pattern=r"^[^\x00]*$")


app = FastAPI(title="Notes")
setup_multi_tenant(app, manifest=Path(__file__).with_name("manifest.yaml"), metadata=metadata)


@app.post("/app/notes", status_code=201)
async def write_note(note: Note, session: TenantSession) -> Note:
    """Keep a note."""
    await session.execute(insert(notes).values(text=note.text))
    return note


@app.get("/app/notes")
async def list_notes(session: TenantSession) -> list[Note]:
    """List the tenant's notes, oldest first."""
    return [Note(text=text) for text in await session.scalars(select(notes.c.text).order_by(notes.c.id))]


@app.get("/app/{tenant_id}")
async def show_tenant(tenant: CurrentTenant) -> dict[str, str]:
    """Say whose notes these are."""
    return {"tenant_id": tenant.tenant_id, "name": tenant.name}
