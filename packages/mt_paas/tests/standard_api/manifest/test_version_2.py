"""What version 2.0 of the manifest adds, and that a manifest that says 1.0 has none of it."""

from __future__ import annotations

import pytest
from mt_paas.errors import NotImplementedByService
from mt_paas.standard_api.manifest import Manifest, check

V2_ENDPOINTS = """
  stats: "/mt/tenant/{tenant_id}/stats"
  users: "/mt/tenant/{tenant_id}/users"
  user: "/mt/tenant/{tenant_id}/users/{user_id}"
  operation: "/mt/operations/{operation_id}"
  purge: "/mt/tenant/{tenant_id}"
  credentials_rotate: "/mt/tenant/{tenant_id}/credentials/rotate"
  inventory: "/mt/tenants"
"""
V2_SECTIONS = """
capabilities: ["async_operations", "something_of_tomorrow"]
plans:
  campus:
    features: ["ai_chat"]
    limits: {max_users: 500}
    price: {amount: "99000", currency: "KRW", interval: "month"}
  basic:
    price: 9.50
localized:
  ko: {name: "켈리 튜터"}
config_schema: {type: object}
provisioning: {driver: "compose", template: "keli"}
"""


@pytest.fixture
def v2(keli: str) -> str:
    text = keli.replace('version: "1.0"', 'version: "2.0"', 1).replace("\nauth:", f"{V2_ENDPOINTS}\nauth:", 1)
    return text + V2_SECTIONS


class TestReading:
    def test_a_key_that_is_there_declares_the_feature(self, v2: str) -> None:
        manifest = Manifest.parse(v2)
        assert manifest.declares("users")
        assert not manifest.declares("settings")
        assert manifest.extensions == ("async_operations", "purge", "credentials", "inventory")
        assert manifest.api_versions == ("1", "2")

    def test_plans_are_those_with_a_price_and_those_with_features(self, v2: str) -> None:
        manifest = Manifest.parse(v2)
        assert manifest.plan_names == ("campus", "basic", "standard", "premium")
        assert manifest.features_of("campus") == ("ai_chat",)
        assert manifest.features_of("basic") == ("ai_chat", "file_upload")

    def test_a_single_amount_is_a_price(self, v2: str) -> None:
        price = Manifest.parse(v2).plans["basic"].price
        assert price is not None
        assert str(price.amount) == "9.5"

    def test_what_was_stored_as_json_is_the_same_manifest(self, v2: str) -> None:
        manifest = Manifest.parse(v2)
        again = Manifest.model_validate(manifest.model_dump(mode="json"))
        assert (again, again.digest) == (manifest, manifest.digest)

    def test_addresses_are_filled_in_and_encoded(self, v2: str) -> None:
        manifest = Manifest.parse(v2)
        assert manifest.url("user", "hallym_univ", user_id="kim@hallym 1".replace(" ", "ü")) == (
            "https://keli.k-university.ai/mt/tenant/hallym_univ/users/kim@hallym%C3%BC1"
        )
        assert manifest.url("operation", operation_id="op_1") == "https://keli.k-university.ai/mt/operations/op_1"

    @pytest.mark.parametrize("user_id", [None, "", "a/b", "..%2f", "a b", "a?b"])
    def test_an_id_that_is_no_segment_of_an_address_is_refused(self, v2: str, user_id: str | None) -> None:
        with pytest.raises(ValueError, match="needs user_id"):
            Manifest.parse(v2).url("user", "hallym_univ", user_id=user_id)


class TestVersionOne:
    def test_what_came_later_is_no_part_of_it(self, v2: str) -> None:
        report = check(v2.replace('version: "2.0"', 'version: "1.0"', 1))
        manifest = report.required()
        assert manifest.extensions == ()
        assert not manifest.declares("users")
        assert manifest.plan_names == ("basic", "standard", "premium")
        with pytest.raises(NotImplementedByService):
            manifest.url("users", "hallym_univ")

    def test_each_is_told_as_a_warning(self, keli: str) -> None:
        report = check(keli.replace("\nauth:", '\n  users: "/u/{tenant_id}"\n\nauth:', 1) + "\nplans: {}\n")
        assert [warning.path for warning in report.warnings] == ["endpoints.users", "plans"]
        assert (
            report.warnings[0]
            .describe()
            .endswith('endpoints.users: is ignored in version 1.0; expected version: "2.0" (raise `version`)')
        )

    def test_plain_data_is_taken_by_the_same_rule(self, v2: str) -> None:
        data = Manifest.parse(v2).model_dump(mode="json") | {"version": "1.0"}
        assert Manifest.model_validate(data).extensions == ()


class TestFaults:
    @pytest.mark.parametrize(
        ("right", "wrong", "fault"),
        [
            (
                "/users/{user_id}",
                "/users/{usr_id}",
                'fills in: "{usr_id}"; expected {user_id} and {tenant_id} (did you mean `{user_id}`?)',
            ),
            (
                "/users/{user_id}",
                "/users/one",
                "endpoints.user: does not say which user; expected {user_id} in the path",
            ),
            (
                "/mt/operations/{operation_id}",
                "/mt/operations",
                "endpoints.operation: does not say which operation; expected {operation_id} in the path",
            ),
            ("  stats:", "  statz:", "endpoints.statz: is not a key of `endpoints`; expected `endpoints.stats` "),
            ("capabilities:", "capabilites:", "capabilites: is not a key of a manifest; expected `capabilities` "),
            ('"99000"', '"a lot"', 'plans.campus.price.amount: is a text; expected an amount such as "12.50"'),
            ("compose", "docker", 'provisioning.driver: "docker" is not known; expected one of "standard_api", '),
            ('type: "api_key"', 'type: "oauth2"', "oauth2: is missing; expected `token_url`, because `auth.type` "),
        ],
    )
    def test_each_is_told_with_what_was_expected(self, v2: str, right: str, wrong: str, fault: str) -> None:
        report = check(v2.replace(right, wrong, 1))
        assert len(report.faults) == 1
        assert fault in report.faults[0].describe()
