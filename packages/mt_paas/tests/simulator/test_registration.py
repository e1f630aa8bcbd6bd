"""The service is found by its manifest, wherever that is; a faulty one is told with its lines, and can be mended."""

from __future__ import annotations

import socket

import pytest
from mt_paas.errors import ConfigurationError
from mt_paas.simulator.registration import key_refusal, register
from mt_paas.testing.doubles import FakeService, answer_with, serve

FAULTY = """version: "1.0"
service: {id: notes, name: Notes, description: Notes., version: "1.0", vendor: Us}
endpoints:
  base_url: "http://127.0.0.1:1"
  health: "/mt/health"
  tenant_activte: "/mt/tenant/{tenant_id}/activate"
  tenant_deactivate: "/mt/tenant/{tenant_id}/deactivate"
  tenant_status: "/mt/tenant/{tenant_id}/status"
auth: {type: api_key, header: X-Market-API-Key}
isolation: {supported: [DATABASE_PER_TENANT], default: DATABASE_PER_TENANT}
"""
RIGHT = FAULTY.replace("activte", "activate")


class TestFinding:
    async def test_a_service_that_serves_its_manifest_is_taken_by_it(self, base_url, service):
        found = await register(base_url, service.api_key)
        assert found.manifest.service.id == service.service_id
        assert found.source == f"{base_url}/mt/manifest"
        assert "suspend" in found.manifest.extensions

    async def test_a_file_counts_before_that_and_the_target_before_its_address(self, base_url, service, tmp_path):
        file = tmp_path / "manifest.yaml"
        file.write_text(RIGHT, encoding="utf-8")
        found = await register(f"{base_url}/", service.api_key, manifest=str(file))
        assert (found.manifest.service.id, found.manifest.endpoints.base_url) == ("notes", base_url)

    async def test_an_address_is_taken_too(self, base_url, service):
        found = await register(base_url, service.api_key, manifest=f"{base_url}/mt/manifest")
        assert found.manifest.service.id == service.service_id

    async def test_one_without_a_manifest_is_called_by_the_paths_of_version_1(self, simulate):
        service = FakeService(version="1.0")
        service.behave(answer_with(404, {"error": "not_found", "message": "Nothing here."}), on=None)
        async with serve(service) as url:
            found = await register(url, service.api_key)
        assert found.is_default
        assert found.manifest.url("tenant_status", "hallym_univ") == f"{url}/mt/tenant/hallym_univ/status"

    async def test_where_nothing_answers_it_says_so(self, simulate):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        found = await register(f"http://127.0.0.1:{port}", "the-key")
        assert found.manifest is None
        assert found.trouble.startswith(f"nothing answers at http://127.0.0.1:{port} (no connection: ")

    @pytest.mark.parametrize("target", ["localhost:8000", "ftp://x", "", "http://"])
    async def test_what_is_no_address_is_refused(self, target):
        with pytest.raises(ConfigurationError, match="no address"):
            await register(target, "the-key")


class TestKey:
    async def test_one_that_the_service_takes_is_no_matter_and_another_is_told(self, base_url, service):
        found = await register(base_url, service.api_key)
        assert await key_refusal(found, service.api_key) is None
        said = await key_refusal(found, "of-another-market")
        assert said.startswith("the service refuses this key: it answered 401 invalid_api_key to the key in the header")


class TestFaults:
    async def test_they_have_their_lines_and_commands_wait_until_it_is_mended(self, simulate, tmp_path, service):
        file = tmp_path / "manifest.yaml"
        file.write_text(FAULTY, encoding="utf-8")
        async with simulate(manifest=str(file)) as run:
            (fault,) = run.market.registration.faults
            assert fault.startswith(f"{file}:6:3: endpoints.tenant_activte")
            refused = await run.session.run("activate hallym_univ")
            assert refused.text == f"the manifest {file} has 1 fault; mend it, then: reload"
            still = await run.session.run("reload")
            assert fault in still.text
            file.write_text(RIGHT, encoding="utf-8")
            assert (await run.session.run("reload")).is_ok
            assert (await run.session.run("activate hallym_univ")).is_ok
        assert "hallym_univ" in service.tenants
