from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

from mt_paas import Manifest
from mt_paas.standard_api.manifest import EXTENSIONS, Endpoints

PACKAGE = Path(__file__).parents[1] / "sample_service"


def start(**settings: str) -> subprocess.CompletedProcess[str]:
    """Start the service with these settings alone, and wait for its end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MT_")} | settings
    command = [sys.executable, "-m", "uvicorn", "sample_service.app:app", "--port", "0"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_its_logic_takes_fewer_than_thirty_lines():
    source = (PACKAGE / "app.py").read_text()
    lines = {number for number, line in enumerate(source.splitlines(), 1) if line.strip()}
    for node in ast.walk(ast.parse(source)):
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_docstring or isinstance(node, (ast.Import, ast.ImportFrom)):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))

    assert len(lines) < 30


def test_the_manifest_declares_the_whole_contract():
    manifest = Manifest.load(PACKAGE / "manifest.yaml")

    assert manifest.service.id == "sample_service"
    assert [name for name in Endpoints.model_fields if getattr(manifest.endpoints, name) is None] == []
    assert set(manifest.extensions) == set(EXTENSIONS)


def test_without_a_key_for_the_market_it_says_so_in_one_line():
    ended = start()

    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines() == [
        "error: no key for the market is set: set MT_API_KEYS to one, or to two during a rotation"
    ]


def test_a_wrong_setting_is_told_in_one_line():
    ended = start(MT_API_KEYS="the-markets-key-0123456789", MT_RETENTION="soon")

    assert ended.returncode == 1
    (line,) = ended.stderr.strip().splitlines()
    assert "retention" in line.lower()


def test_an_isolation_that_there_is_not_is_told_in_one_line():
    ended = start(MT_API_KEYS="the-markets-key-0123456789", MT_ISOLATION__DEFAULT="shared")

    assert ended.returncode == 1
    (line,) = ended.stderr.strip().splitlines()
    assert line.startswith(
        "error: the isolation of tenants is to be shared by default, which this service can not give"
    )
    assert line.endswith("; see isolation in the manifest, and MT_ISOLATION__DEFAULT and MT_ISOLATION__BY_PLAN")


def test_a_setting_that_is_no_json_is_told_in_one_line():
    ended = start(MT_API_KEYS="the-markets-key-0123456789", MT_ISOLATION__BY_PLAN='{"premium": ')

    assert ended.returncode == 1
    (line,) = ended.stderr.strip().splitlines()
    assert line.startswith('error: a setting is wrong: error parsing value for field "isolation"')
