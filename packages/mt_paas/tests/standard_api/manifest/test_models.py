from __future__ import annotations

import json

import pytest
from mt_paas.errors import InvalidTenantId, NotImplementedByService
from mt_paas.standard_api.manifest import AuthType, IsolationLevel, Manifest, check
from mt_paas.standard_api.models import ActivateRequest
from pydantic import ValidationError


@pytest.fixture
def manifest(keli: str) -> Manifest:
    return Manifest.parse(keli)


class TestKeliTutor:
    """The manifest as the user's document prints it (section 3.1) is valid as it is."""

    def test_it_has_no_faults_and_no_warnings(self, keli: str) -> None:
        report = check(keli)
        assert (report.faults, report.warnings) == ((), ())

    def test_it_says_what_it_says(self, manifest: Manifest) -> None:
        assert manifest.service.description == "AI 기반 학습 튜터"
        assert manifest.auth.type is AuthType.API_KEY
        assert manifest.isolation.default is IsolationLevel.DATABASE_PER_TENANT
        assert manifest.plan_names == ("basic", "standard", "premium")
        assert manifest.features["basic"] == ["ai_chat", "file_upload"]
        assert manifest.resources.min_cpu == "1 core"


class TestDefaults:
    def test_features_resources_and_header_may_be_left_out(self, keli: str) -> None:
        text = keli.split("# 요금제별 기능", maxsplit=1)[0].replace('  header: "X-Market-API-Key"\n', "")
        manifest = Manifest.parse(text)
        assert manifest.plan_names == ()
        assert manifest.resources.storage is None
        assert manifest.auth.header == "X-Market-API-Key"

    def test_authorization_is_a_header_for_tokens(self, keli: str) -> None:
        text = keli.replace("X-Market-API-Key", "Authorization").replace('type: "api_key"', "type: jwt")
        assert Manifest.parse(text).auth.header == "Authorization"


class TestUrl:
    def test_a_template_is_filled_in(self, manifest: Manifest) -> None:
        assert manifest.url("health") == "https://keli.k-university.ai/mt/health"
        assert (
            manifest.url("tenant_status", tenant_id="hallym_univ")
            == "https://keli.k-university.ai/mt/tenant/hallym_univ/status"
        )

    @pytest.mark.parametrize("base", ["http://10.0.0.5:8000/tutor", "http://10.0.0.5:8000/tutor/"])
    def test_the_path_of_the_base_is_kept(self, keli: str, base: str) -> None:
        manifest = Manifest.parse(keli.replace("https://keli.k-university.ai", base))
        assert manifest.url("health") == "http://10.0.0.5:8000/tutor/mt/health"

    def test_a_plain_path_is_as_it_is_and_does_not_name_the_tenant(self, keli: str) -> None:
        old = "/api/marketplace/demo/provision"
        manifest = Manifest.parse(keli.replace("/mt/tenant/{tenant_id}/activate", old))
        assert manifest.url("tenant_activate", "hallym_univ") == f"https://keli.k-university.ai{old}"
        assert not manifest.names_tenant("tenant_activate")
        assert manifest.names_tenant("tenant_deactivate")

    @pytest.mark.parametrize(
        "address", ["https://{tenant_id}.keli.k-university.ai", "/enter?tenant={tenant_id}#/home", "https://[::1]:8/x"]
    )
    def test_users_may_enter_anywhere(self, keli: str, address: str) -> None:
        manifest = Manifest.parse(keli.replace("/app/{tenant_id}", address))
        assert manifest.url("user_access", "hallym_univ").endswith(address.replace("{tenant_id}", "hallym_univ"))

    @pytest.mark.parametrize("tenant_id", ["", "..", "a/b", "a?b", "hallym_univ\n", "HALLYM", "x" * 64])
    def test_what_is_no_tenant_id_does_not_get_into_an_address(self, manifest: Manifest, tenant_id: str) -> None:
        with pytest.raises(InvalidTenantId):
            manifest.url("tenant_status", tenant_id)

    def test_a_tenant_that_is_needed_and_not_given_is_an_error(self, manifest: Manifest) -> None:
        with pytest.raises(ValueError, match="tenant_status needs a tenant_id"):
            manifest.url("tenant_status")

    @pytest.mark.parametrize("endpoint", ["usage_report", "stats", "base_url", "model_dump"])
    def test_an_endpoint_that_the_manifest_does_not_name_is_not_implemented(self, keli: str, endpoint: str) -> None:
        manifest = Manifest.parse(keli.replace('usage_report: "/mt/tenant/{tenant_id}/usage"', "usage_report:"))
        with pytest.raises(NotImplementedByService, match=endpoint):
            manifest.url(endpoint, "hallym_univ")


class TestValues:
    @pytest.mark.parametrize("size", ["2GB", "512 MiB", "1.5gb", "2Gi", "10GB per tenant", "10 GB/tenant", "1024B"])
    def test_a_size_is_read_leniently(self, keli: str, size: str) -> None:
        assert Manifest.parse(keli.replace("10GB per tenant", size)).resources.storage == size

    @pytest.mark.parametrize("cpu", ["1", "0.5", "2 cores", "4 vCPU", "500m", "1 core per tenant"])
    def test_a_processor_is_read_leniently(self, keli: str, cpu: str) -> None:
        assert Manifest.parse(keli.replace('"1 core"', f'"{cpu}"')).resources.min_cpu == cpu

    @pytest.mark.parametrize("version", ["1", "1.0.0", "2026.1.3", "2.1.0-beta.1", "1.0.0+build.5", "1.0.0-rc.1+x"])
    def test_versions_are_about_semantic(self, keli: str, version: str) -> None:
        assert Manifest.parse(keli.replace('"1.0.0"', f'"{version}"')).service.version == version

    @pytest.mark.parametrize("plan", ["gold", "Pro-2.0", "a", "x" * 63, "x" * 64, "-a", "한", "a b", "_a", ""])
    def test_a_plan_is_valid_here_exactly_when_activate_takes_it(self, keli: str, plan: str) -> None:
        activation = {"tenant_id": "hallym_univ", "tenant_name": "H", "admin": {"email": "a@b", "name": "A"}}
        taken = True
        try:
            ActivateRequest.model_validate_json(json.dumps(activation | {"plan": plan}))
        except ValidationError:
            taken = False
        assert (check(keli.replace("  premium:", f'  "{plan}":')).manifest is not None) == taken


class TestDigest:
    def test_it_is_the_same_for_the_same_content(self, keli: str) -> None:
        service, rest = keli.split("# 서비스 접근 정보")
        other = "# 서비스 접근 정보" + rest + service.replace('"KELI TUTOR"', "KELI TUTOR")
        assert Manifest.parse(other).digest == Manifest.parse(keli).digest

    def test_it_is_the_one_that_was_stored_by_earlier_versions(self, manifest: Manifest) -> None:
        assert manifest.digest == "38c6a93a7c992cd87d241ea3c5630d655841a3b47fce28e3f1e87103c62d8813"

    def test_it_changes_with_the_content(self, keli: str, manifest: Manifest) -> None:
        assert Manifest.parse(keli.replace("KELI TUTOR", "KELI")).digest != manifest.digest


class TestStored:
    def test_what_was_stored_as_json_comes_back_equal(self, manifest: Manifest) -> None:
        stored = json.dumps(manifest.model_dump(mode="json"))
        again = Manifest.model_validate(json.loads(stored))
        assert again == manifest
        assert again.digest == manifest.digest
        assert Manifest.model_validate_json(stored) == manifest

    def test_plain_data_is_judged_by_the_same_rules(self, manifest: Manifest) -> None:
        data = manifest.model_dump(mode="json")
        data["endpoints"]["health"] = "mt/health?x"
        with pytest.raises(ValidationError, match="does not begin with a slash; has a query or a fragment"):
            Manifest.model_validate(data)

    def test_fields_that_nobody_knows_are_ignored(self, manifest: Manifest) -> None:
        assert Manifest.model_validate(manifest.model_dump(mode="json") | {"localized": {"ko": "튜터"}}) == manifest
