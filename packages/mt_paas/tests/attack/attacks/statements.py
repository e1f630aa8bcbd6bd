"""What a hostile tenant sends: statements that read, change, forge, leave behind, and take rights.

``{mine}`` is the sender's marker, ``{me}`` and ``{other}`` are ids, ``{theirs}`` and ``{space}`` are the other tenant's
table and schema, ``{row}`` is the id of a row of the other's. No statement holds another's marker: where one turns up
in what PostgreSQL answers, it is a leak.
"""

from __future__ import annotations

__all__ = ["BINDS", "ENDS", "LEAVES", "READS", "RIGHTS", "WRITES"]

#: Ask for everything that may hold another's rows, or remember them.
READS = (
    "SELECT * FROM note",
    "SELECT * FROM {theirs}",
    "TABLE {theirs}",
    "SELECT * FROM {theirs} WHERE text::int > 0",
    "SELECT * FROM {theirs} WHERE text ~ text AND length(text) / 0 > 1",
    "SELECT * FROM {theirs} TABLESAMPLE SYSTEM (100)",
    "SELECT * FROM note TABLESAMPLE BERNOULLI (100) WHERE text::date IS NULL",
    "SELECT ctid, xmin, * FROM {theirs} WHERE ctid = '(0,1)'",
    "SELECT * FROM {theirs} FOR UPDATE",
    "SELECT * FROM {theirs} WHERE id = {row}",
    "SELECT string_agg(text, ' ') FROM {theirs}",
    "SELECT max(text) OVER () FROM {theirs}",
    "SELECT * FROM note n LEFT JOIN {theirs} t ON t.id <> n.id",
    "SELECT query_to_xml('SELECT * FROM {theirs}', true, false, '')",
    "SELECT table_to_xml('{theirs}', true, false, '')",
    "SELECT schema_to_xml('{space}', true, false, '')",
    "SELECT * FROM ts_stat('SELECT to_tsvector(text) FROM {theirs}')",
    "DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM {theirs} LOOP RAISE NOTICE '%', r; END LOOP; END $$",
    "DO $$ BEGIN PERFORM text::int FROM {theirs}; END $$",
    "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM {theirs} WHERE text > 'a'",
    "EXPLAIN SELECT * FROM {theirs} WHERE text::int = 1",
    "SELECT * FROM reply",
    "SELECT * FROM pg_stat_activity",
    "SELECT pg_stat_get_backend_activity(id) FROM generate_series(1, 40) id",
    "SELECT * FROM pg_prepared_statements",
    "SELECT * FROM pg_cursors",
    "SELECT * FROM pg_stats WHERE tablename = 'note'",
    "SELECT * FROM pg_stats_ext",
    "SELECT * FROM pg_statistic",
    "SELECT * FROM pg_largeobject",
    "SELECT convert_from(lo_get(oid), 'UTF8') FROM pg_largeobject_metadata",
    "SELECT loread(lo_open(oid, 262144), 100) FROM pg_largeobject_metadata",
    "SELECT pg_listening_channels()",
    "SELECT name, setting FROM pg_settings WHERE source = 'session'",
    "SELECT current_setting('left.behind', true), current_setting('mt.tenant', true)",
    "FETCH ALL FROM left_open",
    "EXECUTE left_ready",
    "EXECUTE _pg3_0",
    "SELECT * FROM left_table",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT pg_ls_dir('base')",
    "SELECT * FROM pg_authid",
    "SELECT * FROM mt_fence.secret",
)

#: Change what is another's, or make rows that count as another's.
WRITES = (
    "INSERT INTO note (text) VALUES ('{mine} new')",
    "UPDATE note SET text = '{mine} changed'",
    "DELETE FROM note",
    "UPDATE {theirs} SET text = '{mine} over theirs'",
    "DELETE FROM {theirs}",
    "DELETE FROM {theirs} WHERE id = {row}",
    "TRUNCATE {theirs}",
    "TRUNCATE note CASCADE",
    "INSERT INTO {theirs} (text) VALUES ('{mine} planted')",
    "INSERT INTO note (tenant_id, text) VALUES ('{other}', '{mine} planted')",
    "INSERT INTO note (tenant_id, id, text) VALUES ('{other}', {row}, '{mine} planted')",
    "UPDATE note SET tenant_id = '{other}'",
    "UPDATE note SET id = {row}",
    "INSERT INTO note (id, text) VALUES ({row}, '{mine} same id') RETURNING *",
    "INSERT INTO note (id, text) VALUES ({row}, '{mine}') ON CONFLICT DO NOTHING RETURNING *",
    (
        "INSERT INTO note (id, text) VALUES ({row}, '{mine}') ON CONFLICT ON CONSTRAINT note_pkey"
        " DO UPDATE SET text = note.text || '{mine}' RETURNING *"
    ),
    (
        "INSERT INTO note (tenant_id, id, text) VALUES ('{other}', {row}, '{mine}') ON CONFLICT ON CONSTRAINT note_pkey"
        " DO UPDATE SET text = note.text || '{mine}' RETURNING *"
    ),
    "INSERT INTO note (text, code) VALUES ('{mine} same code', 'same')",
    "INSERT INTO reply (note_id, text) VALUES ({row}, '{mine} of another')",
    "INSERT INTO reply (tenant_id, note_id, text) VALUES ('{other}', {row}, '{mine} of another')",
    (
        "MERGE INTO {theirs} t USING (SELECT 1) s ON true WHEN MATCHED THEN UPDATE SET text = '{mine} merged'"
        " WHEN NOT MATCHED THEN INSERT (text) VALUES ('{mine} merged')"
    ),
    "WITH gone AS (DELETE FROM {theirs} RETURNING *) SELECT * FROM gone",
    "WITH new AS (UPDATE {theirs} SET text = '{mine} ' || text RETURNING *) SELECT * FROM new",
    "DO $$ BEGIN DELETE FROM {theirs}; EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%', SQLERRM; END $$",
)

_SIGNED = "split_part(current_setting('mt.tenant', true), ':', 2)"

#: Pretend to be another.
BINDS = (
    *(
        f"SELECT set_config('mt.tenant', {value}, {local})"
        for local in ("true", "false")
        for value in (
            "'{other}'",
            "''",
            "NULL",
            "'{other}:'",
            f"'{{other}}:' || {_SIGNED}",
            f"'{{other}}::' || {_SIGNED}",
            f"':' || {_SIGNED}",
            f"upper('{{other}}') || ':' || {_SIGNED}",
            f"'{{other}} :' || {_SIGNED}",
            f"U&'\\200B{{other}}:' || {_SIGNED}",
            f"'{{other}}:' || upper({_SIGNED})",
            f"'{{other}}:' || {_SIGNED} || ':{{me}}'",
            f"'{{me}}:' || {_SIGNED} || ':{{other}}'",
            f"'{{other}}' || chr(1) || ':' || {_SIGNED}",
            "'{other}:' || encode(sha256('{other}'), 'hex')",
        )
    ),
    "SET mt.tenant = '{other}'",
    "SET LOCAL mt.tenant TO '{other}:{other}'",
    "RESET mt.tenant",
    "SET search_path = {space}",
    "SET LOCAL search_path = {space}, pg_temp",
    "SET search_path = pg_temp, {space}",
    "SELECT set_config('search_path', '{space}', false)",
    "SET row_security = off",
    "SET LOCAL row_security = off",
    "SET ROLE postgres",
    "SET ROLE pg_read_all_data",
    "RESET ROLE",
    "SET SESSION AUTHORIZATION postgres",
    "RESET SESSION AUTHORIZATION",
    "SET session_replication_role = replica",
    "RESET ALL",
)

#: Leave something for whoever has the connection next.
LEAVES = (
    "SELECT set_config('mt.tenant', current_setting('mt.tenant', true), false)",
    "SELECT set_config('search_path', current_setting('search_path'), false)",
    "SELECT set_config('left.behind', '{mine}', false)",
    "PREPARE left_ready AS SELECT '{mine}' || text FROM note",
    "PREPARE _pg3_0 AS SELECT '{mine}' || text FROM note",
    "DEALLOCATE ALL; PREPARE _pg3_0 AS SELECT '{mine}'; PREPARE _pg3_1 AS DELETE FROM note",
    "DECLARE left_open CURSOR WITH HOLD FOR SELECT '{mine}' || text FROM note",
    "CREATE TEMP TABLE left_table AS SELECT '{mine}' AS x",
    "SELECT pg_try_advisory_lock(7)",
    "LISTEN {me}",
    "NOTIFY {me}, '{mine}'",
    'LISTEN "{mine}"',
    "SELECT lo_from_bytea(0, '{mine}')",
    "SELECT lo_put(lo_creat(-1), 0, '{mine}')",
    "SELECT setseed(0.5)",
    "SELECT '{mine}' AS said",
    "SET default_transaction_read_only = on",
    "SET transaction_read_only = on",
    "SET default_transaction_isolation = 'serializable'",
    "SET client_encoding = 'LATIN1'",
    "SET standard_conforming_strings = off",
    "SET statement_timeout = 1",
    "SET application_name = '{mine}'",
    "DISCARD PLANS",
)

#: End the transaction, and what binds it, under the session's feet.
ENDS = (
    "COMMIT",
    "ROLLBACK",
    "COMMIT AND CHAIN",
    "ROLLBACK AND CHAIN",
    "COMMIT; BEGIN",
    "ROLLBACK; BEGIN",
    "ROLLBACK; BEGIN; SET LOCAL search_path = {space}",
    "SAVEPOINT here; SELECT set_config('mt.tenant', '{other}:x', true); ROLLBACK TO here",
    "SAVEPOINT here; SET LOCAL search_path = {space}; RELEASE here",
    "BEGIN",
    "SET TRANSACTION READ ONLY",
    "PREPARE TRANSACTION '{me}'",
    "DISCARD ALL",
)

#: Take rights, or make code that runs for others. Not for a tenant that owns its database: it may, and harms itself.
RIGHTS = (
    "CREATE TEMP TABLE note (id int, text text)",
    "CREATE TABLE {space}.mine (text text)",
    "CREATE SCHEMA mine",
    "CREATE VIEW pg_temp.note AS SELECT '{mine}'",
    (
        "CREATE FUNCTION pg_temp.tell(text) RETURNS bool COST 0.0001 LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$; SELECT * FROM {theirs} WHERE pg_temp.tell(text)"
    ),
    "CREATE FUNCTION {space}.tell(text) RETURNS bool LANGUAGE sql SECURITY DEFINER AS 'SELECT true'",
    "CREATE OR REPLACE FUNCTION mt_fence.tenant() RETURNS text LANGUAGE sql AS $$ SELECT '{other}' $$",
    "CREATE OPERATOR pg_temp.=== (leftarg = text, rightarg = text, function = texteq)",
    "CREATE RULE sneak AS ON INSERT TO {theirs} DO ALSO NOTIFY {me}",
    "CREATE TRIGGER sneak BEFORE INSERT ON {theirs} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE EXTENSION dblink",
    "CREATE EXTENSION postgres_fdw",
    "CREATE STATISTICS sneak ON id, text FROM {theirs}",
    "CREATE POLICY sneak ON {theirs} USING (true)",
    "ALTER TABLE {theirs} DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE {theirs} NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE {theirs} ALTER text SET DEFAULT '{mine}'",
    "ALTER POLICY mt_tenant ON {theirs} USING (true)",
    "DROP POLICY mt_tenant ON {theirs}",
    "DROP TABLE {theirs} CASCADE",
    "DROP OWNED BY CURRENT_USER",
    "REASSIGN OWNED BY CURRENT_USER TO postgres",
    "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC",
    "GRANT ALL ON {theirs} TO PUBLIC",
    "REVOKE ALL ON {theirs} FROM CURRENT_USER",
    "COMMENT ON TABLE {theirs} IS '{mine}'",
    "ANALYZE {theirs}",
    "SELECT mt_fence.enclose('{space}', '{me}', current_user)",
    "SELECT setval(pg_get_serial_sequence('{theirs}', 'id'), 1)",
    "COPY {theirs} TO '/tmp/attack'",
    "COPY {theirs} TO PROGRAM 'cat'",
    "LOAD 'auto_explain'",
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE pid <> pg_backend_pid()",
    "SELECT pg_cancel_backend(pid) FROM pg_locks WHERE pid <> pg_backend_pid()",
)
