"""What a service declares, read as liberally as the tests allow; and where its manifest is found."""

from __future__ import annotations

import json

import pytest
from mt_paas.conformance import Document, run
from mt_paas.conformance.target import read_document, read_file, target_of
from mt_paas.errors import ConfigurationError
from mt_paas.testing.doubles import FakeService, answer_with, serve
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

URL = "http://127.0.0.1:8000"
MANIFEST = """
version: "1.0"
service: {id: "old", name: "Old", description: "", version: "1.0", vendor: "Somebody"}
endpoints:
  base_url: "http://old.example/api"
  health: "/ping"
  tenant_activate: "/v1/open/{tenant_id}"
  tenant_deactivate: "http://old.example/api/close"
  tenant_status: "/v1/look/{tenant_id}"
  users: "/v1/{tenant_id}/users"
auth: {type: "api_key", header: "X-Old-Key"}
isolation: {supported: ["SHARED_TABLES"], default: "SHARED_TABLES"}
features: {small: ["a"], large: ["a", "b"]}
capabilities: ["async_operations"]
"""


def given(text: str) -> Document:
    return read_document("manifest.yaml", text.encode(), is_given=True)


class TestManifest:
    def test_paths_stay_and_the_host_is_the_target(self):
        target = target_of(f"{URL}/behind/", given(MANIFEST))
        assert target.address("health") == f"{URL}/behind/ping"
        assert target.address("tenant_activate", "a/b") == f"{URL}/behind/v1/open/a%2Fb"
        assert target.address("tenant_deactivate", "abc") == f"{URL}/behind/close"
        assert target.key_header == "X-Old-Key"

    def test_version_1_declares_nothing_of_version_2(self):
        target = target_of(URL, given(MANIFEST))
        assert not target.declares("users")
        assert not target.has_capability("async_operations")
        assert not target.declares("usage_report")

    def test_version_2_does(self):
        target = target_of(URL, given(MANIFEST.replace('"1.0"\nservice', '"2.0"\nservice')))
        assert target.is_version_2
        assert target.declares("users")
        assert target.has_capability("async_operations")

    def test_plans_are_those_of_the_features(self):
        target = target_of(URL, given(MANIFEST))
        assert (target.plans, target.features["large"]) == (("small", "large"), ("a", "b"))

    def test_a_fault_that_the_tests_do_not_need_is_kept_for_its_check(self):
        target = target_of(URL, given(MANIFEST.replace('name: "Old", ', "")))
        assert target.key_header == "X-Old-Key"
        assert "service.name" in target.document.faults[0]

    @pytest.mark.parametrize("text", ["", "- a list", "version: '1.0'", "\0", MANIFEST.replace("health:", "healthy:")])
    def test_one_that_lacks_what_they_need_can_not_be_used(self, text):
        with pytest.raises(ConfigurationError, match=r"the manifest manifest\.yaml can not be used"):
            target_of(URL, given(text))

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(ConfigurationError, match="No such file"):
            read_file(str(tmp_path / "manifest.yaml"))

    def test_dots_are_no_other_address(self):
        assert target_of(URL, None).address("tenant_status", "..") == f"{URL}/mt/tenant/%2E%2E/status"

    def test_an_address_elsewhere_is_taken_from_a_person_alone(self):
        text = MANIFEST.replace('"/v1/look/{tenant_id}"', '"https://elsewhere.example/{tenant_id}"')
        assert target_of(URL, given(text)).address("tenant_status", "abc") == "https://elsewhere.example/abc"
        served = read_document("served", text.encode())
        assert not target_of(URL, served).declares("tenant_status")


class TestFinding:
    async def test_the_one_that_the_service_serves(self):
        async with serve(service := FakeService(version="1.0")) as url:
            report = await run(url, service.api_key, only=["manifest"])
        assert report.target.document.source == f"{url}/mt/manifest"
        assert [each.status for each in report.checks] == ["pass"]

    async def test_one_in_yaml(self):
        app = serving({"/mt/manifest": PlainTextResponse(MANIFEST, media_type="application/yaml")})
        async with serve(app) as url:
            report = await run(url, "a-key-of-a-market", only=["manifest"])
        assert report.target.key_header == "X-Old-Key"

    @pytest.mark.parametrize("lead", ["/papers/manifest.yaml", "{url}/papers/manifest.yaml"])
    async def test_one_that_the_configuration_leads_to(self, lead):
        paths = {"/papers/manifest.yaml": PlainTextResponse(MANIFEST)}
        app = serving(paths)
        async with serve(app) as url:
            paths["/mt/.well-known/mt-configuration"] = JSONResponse({"manifest_url": lead.format(url=url)})
            report = await run(url, "a-key-of-a-market", only=["manifest"])
        assert report.target.key_header == "X-Old-Key"

    async def test_no_lead_to_another_host_is_followed(self):
        async with serve(serving({"/m": PlainTextResponse(MANIFEST)})) as elsewhere:
            paths = {"/mt/.well-known/mt-configuration": JSONResponse({"manifest_url": f"{elsewhere}/m"})}
            async with serve(serving(paths)) as url:
                report = await run(url, "a-key-of-a-market", only=["manifest"])
        assert report.target.document is None

    async def test_without_any_the_paths_of_version_1_count(self):
        async with serve(service := FakeService(version="1.0")) as url:
            service.behave(answer_with(404, {"error": "not_found", "message": "No."}), on=None)
            report = await run(url, service.api_key, only=["manifest", "health.answers"])
        assert report.target.document is None or report.target.document.faults == ()

    async def test_a_wrong_one_that_the_service_serves_is_its_fault(self):
        faulty = {"version": "1.0", "endpoints": {"health": "/mt/health"}}
        async with serve(serving({"/mt/manifest": JSONResponse(faulty)})) as url:
            report = await run(url, "a-key-of-a-market", only=["manifest"])
        assert [each.status for each in report.checks] == ["fail"]
        assert "service" in report.checks[0].message


def serving(paths) -> Starlette:
    """Return a service that answers health, and ``paths``."""

    async def show(request):
        there = {"/mt/health": JSONResponse({"status": "healthy"}), **paths}.get(request.url.path)
        return there or PlainTextResponse(json.dumps({}), status_code=404)

    return Starlette(routes=[Route("/{path:path}", show)])
