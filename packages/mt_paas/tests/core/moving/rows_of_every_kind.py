"""The tables of a service that has what is hard to move, and rows for them."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Column,
    Computed,
    DateTime,
    Enum,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

METADATA = MetaData()

Table(
    "author",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("mentor_id", ForeignKey("author.id", ondelete="SET NULL")),
    Column("favourite_id", ForeignKey("book.id", name="author_favourite", use_alter=True)),
)
Table(
    "book",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("author_id", ForeignKey("author.id", ondelete="CASCADE"), nullable=False),
    Column("shelf", Text, unique=True),
    Column("words", Integer, nullable=False),
    Column("pages", Integer, Computed("words / 300", persisted=True)),
    Column("mood", Enum("glad", "sad", name="mood")),
    Column("moods", ARRAY(Enum("glad", "sad", name="mood"))),
    Column("tags", ARRAY(Text)),
    Column("about", JSON),
    Column("index", JSONB),
    Column("price", Numeric(12, 4)),
    Column("printed_at", DateTime(timezone=True)),
    Column("cover", LargeBinary),
    UniqueConstraint("author_id", "shelf"),
)
Table("visit", METADATA, Column("at", DateTime(timezone=True)), Column("who", Text))  # without a key
Table(
    "loan",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("writer", Text),
    Column("n", Integer),
)

LONG = "한글 \\ \t \n \x01 ' \" ; -- $$ " * 40_000


async def fill(session: AsyncSession) -> None:
    """Write rows of every kind, also into the library's own tables of mt_paas."""
    for number in range(1, 31):
        await session.execute(
            text("INSERT INTO author (name, mentor_id) VALUES (:name, :mentor)"),
            {"name": f"author {number}", "mentor": None if number % 3 else 1},
        )
        await session.execute(
            text(
                "INSERT INTO book (author_id, shelf, words, mood, moods, tags, about, index, price, printed_at, cover)"
                " SELECT id, :shelf, :words, 'glad', '{sad,glad}', ARRAY['a,b', '{', NULL], :about, :index, 12.3400,"
                " :printed_at, :cover FROM author WHERE name = :name"
            ),
            {
                "name": f"author {number}",
                "shelf": f"shelf {number}",
                "words": number * 1000,
                "about": '{"b": 1,  "a": [1.0, null]}',
                "index": '{"b": 1, "a": "é"}',
                "printed_at": datetime(2026, 3, 1, 9, number, tzinfo=UTC),
                "cover": bytes(range(256)) * number,
            },
        )
    await session.execute(text("UPDATE author SET favourite_id = (SELECT max(id) FROM book)"))
    await session.execute(text("UPDATE book SET shelf = :long WHERE words = 1000"), {"long": LONG[:600]})
    await session.execute(text("INSERT INTO author (name) VALUES (:long)"), {"long": LONG})
    await session.execute(text("INSERT INTO visit VALUES (now(), 'twice'), (now(), 'twice'), (NULL, NULL)"))
    await session.execute(
        text(
            "INSERT INTO mt_user (id, email, email_key, name, role, status, created_at)"
            " VALUES ('u_1', 'A@b.c', 'a@b.c', 'A', 'admin', 'active', now())"
        )
    )
    await session.execute(text("INSERT INTO mt_settings VALUES (1, '{\"x\": 1}', 7, now())"))
