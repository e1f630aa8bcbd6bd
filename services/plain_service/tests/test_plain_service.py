from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mt_paas import Manifest
from plain_service.contract import PLANS, Deactivation, Refusal, read_activation
from plain_service.store import Store

PACKAGE = Path(__file__).parents[1] / "plain_service"
NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
BODY = {"tenant_id": "hallym_univ", "tenant_name": "Hallym", "plan": "basic", "admin": {"email": "a@b.kr", "name": "A"}}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, lambda: NOW)


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def activate(store: Store):
    return store.activate(read_activation(BODY, "hallym_univ"), None)


def test_the_contract_alone_is_enough():
    """Importing the service imports neither mt_paas nor anything else beyond Starlette and the standard library."""
    program = (
        "import sys, plain_service.app\n"
        "own = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "print(*sorted(name for name in own if not name.startswith('_')))"
    )
    out = run(program).stdout

    assert {"plain_service", "starlette"} <= set(out.split())
    assert set(out.split()) <= {"plain_service", "starlette", "anyio", "idna", "sniffio", "typing_extensions"}


def test_the_manifest_is_right_and_has_the_services_plans():
    manifest = Manifest.load(PACKAGE / "manifest.yaml")

    assert (manifest.service.id, manifest.plan_names) == ("plain_service", PLANS)


class TestStore:
    def test_a_second_call_for_one_tenant_is_told(self, store, tmp_path):
        with store._hold("hallym_univ"), pytest.raises(Refusal, match="operation_in_progress"):
            activate(Store(tmp_path, lambda: NOW))

    def test_a_file_that_a_crash_left_before_the_tenant_was_written_down_is_made_anew(self, store, tmp_path):
        file = tmp_path / "tenants" / "hallym_univ.sqlite3"
        file.write_bytes(b"half a file")

        activate(store)

        store.write_note("hallym_univ", "kept")
        assert store.list_notes("hallym_univ") == ["kept"]

    def test_a_purge_that_was_cut_off_is_completed_by_the_next_call(self, store, tmp_path):
        activate(store)
        store._write("hallym_univ", status="deactivated", data_preserved=False, deadline=None)  # and then it died

        tenant = store.deactivate("hallym_univ", Deactivation(preserve_data=False, deactivate_at=None))

        assert tenant.status == "purged"
        assert not (tmp_path / "tenants" / "hallym_univ.sqlite3").exists()

    def test_a_sweep_deletes_what_is_past_its_deadline_and_nothing_else(self, store, tmp_path):
        activate(store)
        store.write_note("hallym_univ", "kept")
        store.deactivate("hallym_univ", Deactivation(preserve_data=True, deactivate_at=None))

        Store(tmp_path, lambda: NOW + timedelta(days=89)).sweep()
        before = store.list_notes("hallym_univ")
        Store(tmp_path, lambda: NOW + timedelta(days=90)).sweep()

        assert before == ["kept"]
        assert store.find("hallym_univ").status == "purged"
        assert list((tmp_path / "tenants").iterdir()) == []

    def test_a_purged_tenant_leaves_no_personal_data(self, store, tmp_path):
        activate(store)
        store.deactivate("hallym_univ", Deactivation(preserve_data=False, deactivate_at=None))

        connection = sqlite3.connect(tmp_path / "registry.sqlite3")
        rows = connection.execute("SELECT * FROM tenant").fetchall()
        connection.close()
        assert "Hallym" not in str(rows)

    def test_reading_notes_of_a_tenant_that_is_not_there_makes_no_file(self, store, tmp_path):
        with pytest.raises(sqlite3.OperationalError):
            store.list_notes("nobody_here")

        assert list((tmp_path / "tenants").iterdir()) == []

    def test_notes_survive_kill_9(self, store, tmp_path):
        activate(store)
        program = (
            "import os, signal, sys\n"
            "from datetime import UTC, datetime\n"
            "from pathlib import Path\n"
            "from plain_service.store import Store\n"
            "Store(Path(sys.argv[1]), lambda: datetime.now(UTC)).write_note('hallym_univ', 'kept')\n"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        assert run(program, str(tmp_path)).returncode == -signal.SIGKILL

        assert Store(tmp_path, lambda: NOW).list_notes("hallym_univ") == ["kept"]
