"""The journal: followed live by several, bounded, and each entry once in its newest form."""

from __future__ import annotations

import asyncio

from mt_paas.simulator.journal import Journal, Kind, Level


class TestJournal:
    async def test_who_follows_gets_what_there_is_and_what_comes_until_it_is_closed(self):
        journal = Journal()
        journal.note(Level.INFO, "one")
        seen = []
        came = asyncio.Event()

        async def follow() -> None:
            async for entry in journal.follow():
                seen.append(entry.text)
                came.set()

        following = asyncio.create_task(follow())
        await came.wait()
        journal.note(Level.INFO, "two")
        journal.note(Level.INFO, "three")
        journal.close()
        await following
        assert seen == ["one", "two", "three"]

    async def test_an_entry_that_is_written_again_is_there_once_in_its_newest_form(self):
        journal = Journal()
        call = journal.write(Kind.CALL, Level.PENDING, "GET /", facts={"status": None})
        journal.note(Level.INFO, "between")
        journal.rewrite(call, Level.GOOD, "GET /", {"status": 200})
        assert [(entry.text, entry.level) for entry in journal.since(0)] == [
            ("between", Level.INFO),
            ("GET /", Level.GOOD),
        ]
        assert journal.since(2)[0].id == call.id

    async def test_it_keeps_no_more_than_it_should(self):
        journal = Journal()
        for number in range(2500):
            journal.note(Level.INFO, str(number))
        kept = journal.since(0)
        assert (len(kept), kept[0].text, kept[-1].text) == (2000, "500", "2499")
