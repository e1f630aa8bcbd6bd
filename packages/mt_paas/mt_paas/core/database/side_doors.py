"""What PostgreSQL lets every role do in a database, and what tenants that share one could reach each other by.

Row-level security is about tables. Beside them a role has large objects, which belong to it and so to every tenant,
the texts of statements that its other sessions run, the right to end these, and statements about its own privileges
(``DROP OWNED``), which would take them from all tenants. No service needs these; in the shared database they are
closed, where the service's role is a superuser: PostgreSQL lets nobody else. An administrator may run the same
statements there once (docs/explanation/isolation.md).
"""

from __future__ import annotations

import logging

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from mt_paas.core.database.server import literal, run

__all__ = ["close_side_doors"]

_log = logging.getLogger(__name__)

_CLOSED = text(
    "SELECT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'mt_fence')"
    " AND NOT has_function_privilege(:role, 'pg_catalog.lo_get(oid)', 'EXECUTE')"
)

_CLOSE = """
DO $doors$
DECLARE
  door regprocedure;
BEGIN
FOR door IN
  SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND (
    proname ~ '^(lo_|lowrite$|loread$)'
    OR proname IN ('pg_cancel_backend', 'pg_terminate_backend', 'pg_stat_get_activity', 'pg_stat_get_backend_activity')
  )
LOOP
  EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', door);
END LOOP;

CREATE OR REPLACE FUNCTION mt_fence.refuse() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF session_user = {role} THEN
    RAISE insufficient_privilege USING MESSAGE = 'a tenant''s session may change rows and nothing else';
  END IF;
END $$;
DROP EVENT TRIGGER IF EXISTS mt_fence;
CREATE EVENT TRIGGER mt_fence ON ddl_command_start EXECUTE FUNCTION mt_fence.refuse();
END $doors$
"""


async def close_side_doors(owner: AsyncConnection, role: str) -> None:
    """Close to ``role`` what is beside the fence, in the database of ``owner``; where nobody may, a warning says so."""
    if await owner.scalar(_CLOSED, {"role": role}):
        return
    if not await owner.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")):
        _log.warning(
            "tenants that share a database can reach each other's large objects and end each other's statements, if "
            "they can send SQL of their own: let a superuser close that once (see docs/explanation/isolation.md)"
        )
        return
    await run(owner, _CLOSE.format(role=literal(role)))
