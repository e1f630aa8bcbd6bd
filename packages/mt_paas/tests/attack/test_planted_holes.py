"""The machine finds holes that are planted: without this, that it finds none would say nothing."""

from __future__ import annotations

import random
from contextlib import contextmanager

import pytest
from attacks import Leak, Machine, Move, random_program
from attacks.machine import ACTIONS
from mt_paas.core.database import transactions
from psycopg import sql

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(0),
    pytest.mark.filterwarnings("ignore:using 'notifies:RuntimeWarning"),  # the connection has a handler, which drops
]

TOGETHER = ("SCHEMA_PER_TENANT", "SHARED_TABLES")
_PROGRAMS = 300

_BELIEVE = """
CREATE OR REPLACE FUNCTION mt_fence.tenant() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT split_part(current_setting('mt.tenant', true), ':', 1) $$
"""


async def finds(world, programs: int = _PROGRAMS) -> bool:
    """Tell whether the machine finds a leak among so many random programs; the same ones each time."""
    numbers = random.Random(7)  # noqa: S311 - programs, no secrets
    for _ in range(programs):
        world.reset()
        try:
            await Machine(world, seats=numbers.randint(1, 2)).play(random_program(numbers, 20))
        except Leak:
            return True
    return False


@contextmanager
def planted(world, hole: str, mend: str):
    """Plant a hole in the tables of the first tenant, and mend it again."""
    victim = next(victim for victim in world.victims if victim.admin is world.shared)
    words = {"table": sql.Identifier(victim.space, "note"), "role": sql.Identifier(world.role)}
    world.shared.execute(sql.SQL(hole).format(**words))
    try:
        yield
    finally:
        world.shared.execute(sql.SQL(mend).format(**words))


@pytest.mark.parametrize("world", TOGETHER, indirect=True)
class TestInTheDatabase:
    async def test_a_table_without_its_policy(self, world):
        with planted(
            world, "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY", "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
        ):
            assert await finds(world)

    async def test_a_policy_that_lets_everything_be_written(self, world):
        policy = "SELECT pg_get_expr(polwithcheck, polrelid) FROM pg_policy WHERE polrelid = %s::regclass"
        victim = next(victim for victim in world.victims if victim.admin is world.shared)
        (rule,) = world.shared.execute(policy, [victim.theirs]).fetchone()
        with planted(
            world,
            "ALTER POLICY mt_tenant ON {table} WITH CHECK (true)",
            f"ALTER POLICY mt_tenant ON {{table}} WITH CHECK ({rule})",  # the rule that was there
        ):
            assert await finds(world)

    async def test_a_role_that_no_policy_holds(self, world):
        with planted(world, "ALTER ROLE {role} BYPASSRLS", "ALTER ROLE {role} NOBYPASSRLS"):
            assert await finds(world)

    async def test_a_fence_that_believes_everything(self, world):
        right = world.shared.execute("SELECT pg_get_functiondef('mt_fence.tenant()'::regprocedure)").fetchone()[0]
        world.shared.execute(_BELIEVE)
        try:
            assert await finds(world)
        finally:
            world.shared.execute(right)

    async def test_a_view_of_the_owners(self, world):
        with planted(
            world,
            "CREATE VIEW public.all_notes AS SELECT * FROM {table};"
            "GRANT USAGE ON SCHEMA public TO {role}; GRANT SELECT ON public.all_notes TO {role}",
            "DROP VIEW public.all_notes; REVOKE USAGE ON SCHEMA public FROM {role}",
        ):
            world.reset()
            machine = Machine(world)
            seat = await machine._enter(world.victims[1])
            with pytest.raises(Leak):
                await machine._send(seat, "SELECT * FROM public.all_notes", driver=False)
            await machine.close()

    async def test_large_objects_for_everybody(self, world):
        functions = "lo_get(oid), lo_from_bytea(oid, bytea)"
        with planted(
            world,
            f"GRANT EXECUTE ON FUNCTION {functions} TO {{role}}",
            f"REVOKE EXECUTE ON FUNCTION {functions} FROM {{role}}; SELECT lo_unlink(oid) FROM pg_largeobject_metadata",  # noqa: S608 - of this test
        ):
            assert await finds(world)


@pytest.mark.parametrize("world", TOGETHER, indirect=True)
class TestOnTheConnection:
    @pytest.mark.parametrize(
        "wipe",
        [
            (),
            (b"CLOSE ALL", b"UNLISTEN *", b"RESET ALL", b"DISCARD SEQUENCES", b"SELECT pg_advisory_unlock_all()"),
        ],
        ids=["nothing", "all but what is prepared"],
    )
    async def test_less_is_wiped(self, world, monkeypatch, wipe):
        monkeypatch.setattr(transactions, "_WIPE", wipe)

        assert await finds(world)

    async def test_what_is_wiped_comes_back_with_a_rollback(self, world, monkeypatch):
        within = b"CLOSE ALL", b"UNLISTEN *", b"RESET ALL", b"DISCARD SEQUENCES", b"SELECT pg_advisory_unlock_all()"
        monkeypatch.setattr(transactions, "_WIPE_BEHIND_A_POOLER", within)
        pipeline = transactions._pipeline
        monkeypatch.setattr(transactions, "_pipeline", lambda *given, pooled: pipeline(*given, pooled=True))

        assert await finds(world)


@pytest.mark.parametrize("world", ["SHARED_TABLES"], indirect=True)
class TestTheMachine:
    async def test_finds_nothing_where_nothing_is_planted(self, world):
        assert not await finds(world, programs=20)

    async def test_sees_a_marker_wherever_it_turns_up(self, world):
        machine = Machine(world)
        mine, other = world.victims[:2]
        for thing in (ValueError(other.marker), [(1, other.marker)], other.marker.encode(), {"a": other.marker}):
            with pytest.raises(Leak):
                machine._saw(mine, thing)
            machine._saw(other, thing)

    async def test_sees_a_change_by_another(self, world):
        world.reset()
        machine = Machine(world)
        victim = world.victims[0]
        victim.admin.execute("DELETE FROM mt_shared.note WHERE tenant_id = %s", [victim.id])
        with pytest.raises(Leak, match="changed"):
            machine.look(world.victims[1])

    async def test_plays_every_action(self, world):
        world.reset()
        machine = Machine(world)
        for number, action in enumerate(ACTIONS):
            for choice in range(len(ACTIONS[action])):
                await machine.step(Move(number, action, choice, choice))
        await machine.play([])
