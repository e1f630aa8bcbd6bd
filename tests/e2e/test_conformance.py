"""``mt-paas test`` finds nothing wrong with the two services: the one on mt_paas, and the one on the contract alone."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

import plain_service.app
from mt_paas.conformance import Profile, Status, run
from mt_paas.conformance.target import read_file
from mt_paas.testing.doubles import serve
from mt_paas.testing.tenants import drop_registry

KEY, SECOND_KEY = "the-markets-key-0123456789", "its-successor-9876543210"


def complaints(report) -> list[str]:
    bad = {Status.FAIL, Status.WARN}
    return [f"{each.id}: {each.message}" for each in report.checks if each.status in bad]


async def test_plain_service_keeps_the_contract(tmp_path):
    app = plain_service.app.create_app(tmp_path, [KEY, SECOND_KEY], "https://notes.example")
    manifest = read_file(str(Path(plain_service.app.__file__).parent / "manifest.yaml"))
    async with serve(app) as url:
        report = await run(url, KEY, manifest=manifest, second_key=SECOND_KEY)
    assert complaints(report) == []
    assert (report.conforms, report.level, report.profile) == (True, "MAY", Profile.FULL)
    assert list((tmp_path / "tenants").iterdir()) == []


async def test_sample_service_keeps_the_contract(postgres_server, monkeypatch):
    name = f"test_conformance_{os.getpid()}_{secrets.token_hex(3)}"
    postgres_server.create_database(name)
    monkeypatch.setenv("MT_DATABASE_URL", postgres_server.url(name))
    monkeypatch.setenv("MT_API_KEYS", f"{KEY},{SECOND_KEY}")
    monkeypatch.setenv("MT_PUBLIC_URL", "https://notes.example")
    monkeypatch.setenv("MT_TENANT_PREFIX", f"t{secrets.token_hex(3)}_")
    monkeypatch.delitem(sys.modules, "sample_service.app", raising=False)
    from sample_service.app import app

    try:
        async with serve(app) as url:
            report = await run(url, KEY, second_key=SECOND_KEY)
        assert complaints(report) == []
        assert report.conforms
    finally:
        drop_registry(postgres_server.url(name))
        postgres_server.drop_database(name)
