"""The plugin in a project of a vendor's: pytest runs there for real, in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

_QUIET = [
    *("-W", "error", "-p", "no:cacheprovider", "-p", "no:xdist"),
    *("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function"),
]
KEY = "a-key-of-a-market-0123456789"
APP = f"""
from mt_paas.testing.doubles import FakeService
app = FakeService(api_key="{KEY}")
"""
TESTS = """
def test_the_market_drives_the_service(market):
    tenant = market.activate("hallym-univ", config={"max_users": 5})
    assert market.status(tenant).status == "active"
    assert market.deactivate(tenant).data_preserved
    assert market.activate("hallym-univ").activation == tenant.activation
    assert market.ask(lambda client: client.users(tenant.id)).total == 1

def test_what_a_market_makes_it_removes(market, tenant):
    assert list(market.tenants) == [tenant.id]
    assert [each.tenant_id for each in market.ask(lambda client: client.list_tenants()).items] == [tenant.id]

async def test_an_event_loop_is_no_trouble(tenant, market):
    assert market.health().status == "healthy"
    assert tenant.access_url.startswith(market.service.url)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "notes.py").write_text(APP)
    return tmp_path


def run_pytest(project: Path, *arguments: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
    """Run pytest there as a vendor does, who has installed mt-paas."""
    environment = {"PYTHONPATH": str(project), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *_QUIET, *arguments],
        cwd=project,
        env=environment | ({"MT_PAAS_KEY": key} if key else {}),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


class TestAProject:
    def test_names_its_service_in_its_configuration(self, project):
        (project / "pytest.ini").write_text("[pytest]\nmt_paas_service = notes:app\n")
        (project / "test_notes.py").write_text(TESTS)
        done = run_pytest(project, key="")
        assert "3 passed" in done.stdout, done.stdout + done.stderr

    def test_gives_its_service_by_a_fixture(self, project):
        fixture = '@pytest.fixture(scope="session")\ndef service():\n    return notes.app\n'
        (project / "conftest.py").write_text(f"import notes\nimport pytest\n{fixture}")
        (project / "test_notes.py").write_text(TESTS)
        done = run_pytest(project, key="")
        assert "3 passed" in done.stdout, done.stdout + done.stderr

    def test_is_told_what_is_missing(self, project):
        (project / "test_notes.py").write_text("def test_it(market):\n    pass\n")
        done = run_pytest(project)
        assert "name it by mt_paas_service" in done.stdout, done.stdout + done.stderr

    def test_is_told_that_its_service_is_not_there(self, project):
        (project / "pytest.ini").write_text("[pytest]\nmt_paas_service = notes:application\n")
        (project / "test_notes.py").write_text("def test_it(market):\n    pass\n")
        done = run_pytest(project)
        assert "the service 'notes:application' is not there" in done.stdout, done.stdout + done.stderr

    def test_that_wants_none_of_it_loads_none_of_it(self, project):
        test = "import sys\ndef test_it():\n    assert not {'fastapi', 'pydantic', 'psycopg'} & sys.modules.keys()\n"
        (project / "test_notes.py").write_text(test)
        done = run_pytest(project)
        assert "1 passed" in done.stdout, done.stdout + done.stderr


class TestConformance:
    @pytest.fixture
    def vendor(self, project: Path) -> Path:
        (project / "pytest.ini").write_text("[pytest]\nmt_paas_service = notes:app\n")
        (project / "test_conformance.py").write_text("from mt_paas.testing.conformance import *\n")
        return project

    def test_there_is_a_test_for_each_check(self, vendor):
        done = run_pytest(vendor)
        counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|skipped|failed)", done.stdout)}
        assert counts.keys() == {"passed", "skipped"}, done.stdout
        assert counts["passed"] > 140

    def test_one_fails_with_what_was_said(self, vendor):
        lies = 'from mt_paas.testing.doubles import altering\napp.behave(altering(lie), on="status")\n'
        lie = "def lie(said, call):\n    said.body = said.body.replace(b'\"active\"', b'\"running\"')\n"
        (vendor / "notes.py").write_text(APP + lie + lies)
        done = run_pytest(vendor, "-k", "status.shape")
        assert "1 failed" in done.stdout, done.stdout
        assert "The contract says: 200 `{tenant_id, status: active|suspended|deactivated" in done.stdout
        assert '"status":"running"' in done.stdout
        assert KEY not in done.stdout
