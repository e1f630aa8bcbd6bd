"""The router's calls of the extensions, by HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from mt_paas.errors import OperationNotCancellable, OperationNotFound, PlanChangeNotAllowed, TenantNotActive
from mt_paas.standard_api.handler import PageQuery
from mt_paas.standard_api.models import (
    CredentialsResponse,
    DeletionReceipt,
    Operation,
    OperationAccepted,
    OperationStatus,
    PlanChangeRequest,
    SuspendRequest,
    TenantPage,
    TenantState,
    TenantStateResponse,
)

TENANT = "/mt/tenant/hallym_univ"
LATER = OperationAccepted(operation_id="op_1", retry_after=1.2)
DEACTIVATION = {"reason": "violation", "preserve_data": False}
SSO = {"user": {"email": "kim@hallym.ac.kr"}}


class TestAnsweringLater:
    @pytest.fixture
    def calls(self, body):
        """Return each call that may take long: the handler's method, the request, its body."""
        return {
            "activate_tenant": ("POST", f"{TENANT}/activate", body),
            "deactivate_tenant": ("POST", f"{TENANT}/deactivate", DEACTIVATION),
            "change_plan": ("POST", f"{TENANT}/plan", {"plan": "premium"}),
            "purge_tenant": ("DELETE", TENANT, None),
            "export_tenant": ("POST", f"{TENANT}/export", None),
        }

    @pytest.fixture(autouse=True)
    def later(self, whole, calls):
        whole.answers |= dict.fromkeys(calls, LATER)

    async def test_it_is_a_202_with_the_address_of_the_operation(self, whole_http, calls):
        for method, path, body in calls.values():
            response = await whole_http.request(method, path, json=body)
            assert response.status_code == 202, response.text
            assert response.json() == {"operation_id": "op_1", "status": "in_progress", "retry_after": 1.2}
            assert response.headers["location"] == "/mt/operations/op_1"
            assert response.headers["retry-after"] == "2"

    async def test_the_address_is_right_wherever_the_router_is(self, make_http, whole, calls):
        http = make_http(whole, prefix="/std", include={"prefix": "/api"})
        for method, path, body in calls.values():
            response = await http.request(method, path.replace("/mt", "/api/std"), json=body)
            assert response.headers["location"] == "/api/std/operations/op_1"

    async def test_it_is_a_500_where_the_manifest_does_not_declare_it(
        self, assert_refused, make_http, make_manifest, whole, calls
    ):
        http = make_http(whole, manifest=make_manifest(capabilities=[]))
        for name, (method, path, body) in calls.items():
            response = await http.request(method, path, json=body)
            if name == "export_tenant":  # always an operation
                assert response.status_code == 202
            else:
                assert_refused(response, 500, "internal_error")

    async def test_it_is_a_500_where_the_contract_has_no_later(self, assert_refused, whole_http, whole):
        whole.answers["suspend_tenant"] = LATER
        response = await whole_http.post(f"{TENANT}/suspend", json={"reason": "x"})
        assert_refused(response, 500, "internal_error")

    @pytest.mark.parametrize("change", [{"operation_id": "a/b"}, {"operation_id": "a\r\nb"}, {"retry_after": -1.0}])
    async def test_an_operation_that_the_contract_does_not_know_is_a_500(
        self, assert_refused, whole_http, whole, change
    ):
        whole.answers["purge_tenant"] = OperationAccepted.model_construct(**(dict(LATER) | change))
        assert_refused(await whole_http.delete(TENANT), 500, "internal_error")


class TestOperations:
    PATH = "/mt/operations/op_1"
    RUNNING = Operation(operation_id="op_1", status=OperationStatus.IN_PROGRESS, retry_after=0.5)

    async def test_one_under_way_says_when_to_ask_again(self, whole_http, whole):
        whole.answers["get_operation"] = self.RUNNING
        response = await whole_http.get(self.PATH)
        assert (response.status_code, response.headers["retry-after"]) == (200, "1")
        assert whole.asked == [("get_operation", "op_1")]

    async def test_one_that_has_ended_does_not(self, whole_http, whole):
        response = await whole_http.get("/mt/operations/op_01J9ZC4T6Q")
        assert response.json()["status"] == "succeeded"
        assert "retry-after" not in response.headers

    async def test_one_may_be_cancelled(self, whole_http, whole):
        response = await whole_http.delete("/mt/operations/op_01J9ZC4T6Q")
        assert (response.status_code, response.json()["error"]["error"]) == (200, "cancelled")
        assert whole.asked == [("cancel_operation", "op_01J9ZC4T6Q")]

    async def test_one_that_is_past_it_can_not(self, assert_refused, whole_http, whole):
        whole.answers["cancel_operation"] = OperationNotCancellable()
        assert_refused(await whole_http.delete(self.PATH), 409, "operation_not_cancellable")

    async def test_an_unknown_one_is_not_found(self, assert_refused, whole_http, whole):
        whole.answers["get_operation"] = OperationNotFound()
        assert_refused(await whole_http.get(self.PATH), 404, "operation_not_found")

    @pytest.mark.parametrize("operation_id", ["%00", "a%20b", "-a", "x" * 129, "%ED%95%9C", "a%0A"])
    async def test_what_can_be_no_operations_id_is_not_found(self, assert_refused, whole_http, whole, operation_id):
        for method in ("GET", "DELETE"):
            response = await whole_http.request(method, f"/mt/operations/{operation_id}")
            assert_refused(response, 404, "operation_not_found")
        assert whole.asked == []

    async def test_an_answer_about_another_one_is_a_500(self, assert_refused, whole_http):
        assert_refused(await whole_http.get(self.PATH), 500, "internal_error")

    async def test_one_that_succeeded_without_a_result_is_a_500(self, assert_refused, whole_http, whole):
        whole.answers["get_operation"] = Operation.model_construct(
            operation_id="op_1", status=OperationStatus.SUCCEEDED
        )
        assert_refused(await whole_http.get(self.PATH), 500, "internal_error")


class TestPlanChange:
    async def test_the_handler_gets_the_request(self, whole_http, whole):
        body = {"plan": "premium", "features": ["rag"], "config": {"max_users": 5}}
        response = await whole_http.post(f"{TENANT}/plan", json=body)
        assert (response.status_code, response.json()["plan"]) == (200, "premium")
        assert whole.asked == [("change_plan", "hallym_univ", PlanChangeRequest.model_validate(body))]

    async def test_a_plan_that_the_manifest_does_not_have_is_refused(
        self, assert_refused, make_http, make_manifest, whole
    ):
        http = make_http(whole, manifest=make_manifest())
        problem = assert_refused(await http.post(f"{TENANT}/plan", json={"plan": "gold"}), 422, "invalid_plan")
        assert problem["details"] == {"plans": ["basic", "premium"]}
        assert whole.asked == []

    async def test_one_that_the_service_does_not_allow_is_refused(self, assert_refused, whole_http, whole):
        whole.answers["change_plan"] = PlanChangeNotAllowed()
        response = await whole_http.post(f"{TENANT}/plan", json={"plan": "basic"})
        assert_refused(response, 422, "plan_change_not_allowed")


class TestSuspension:
    async def test_suspend_and_resume(self, whole_http, whole):
        response = await whole_http.post(f"{TENANT}/suspend", json={"reason": "payment_overdue"})
        assert response.json() == {"tenant_id": "hallym_univ", "status": "suspended"}
        response = await whole_http.post(f"{TENANT}/resume")
        assert response.json() == {"tenant_id": "hallym_univ", "status": "active"}
        assert whole.asked == [
            ("suspend_tenant", "hallym_univ", SuspendRequest(reason="payment_overdue")),
            ("resume_tenant", "hallym_univ"),
        ]

    @pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": 5}, {"reason": "a\nb"}, {"reason": "x" * 201}])
    async def test_a_reason_is_a_line_of_text(self, assert_refused, whole_http, body):
        assert_refused(await whole_http.post(f"{TENANT}/suspend", json=body), 422, "invalid_body")

    async def test_a_tenant_in_another_state_is_refused(self, assert_refused, whole_http, whole):
        whole.answers["resume_tenant"] = TenantNotActive()
        assert_refused(await whole_http.post(f"{TENANT}/resume"), 409, "tenant_not_active")

    async def test_an_answer_about_another_tenant_is_a_500(self, assert_refused, whole_http, whole):
        whole.answers["resume_tenant"] = TenantStateResponse(tenant_id="other_univ", status=TenantState.ACTIVE)
        assert_refused(await whole_http.post(f"{TENANT}/resume"), 500, "internal_error")


class TestPurge:
    async def test_the_answer_is_a_receipt(self, whole_http, whole):
        response = await whole_http.delete(TENANT)
        assert (response.status_code, response.json()["purged_at"]) == (200, "2026-01-03T12:00:00Z")
        assert whole.asked == [("purge_tenant", "hallym_univ")]

    async def test_a_receipt_for_another_tenant_is_a_500(self, assert_refused, whole_http, whole):
        whole.answers["purge_tenant"] = DeletionReceipt(
            tenant_id="other_univ", purged_at=datetime(2026, 1, 1, tzinfo=UTC)
        )
        assert_refused(await whole_http.delete(TENANT), 500, "internal_error")


class TestCredentials:
    async def test_a_password_never_leaves(self, whole_http, whole):
        old = {"setup_url": "https://x.example/s", "temp_password": "hunter2"}
        whole.answers["rotate_credentials"] = CredentialsResponse.model_validate(
            {"tenant_id": "hallym_univ", "admin_credentials": old}
        )
        response = await whole_http.post(f"{TENANT}/credentials/rotate")
        assert response.status_code == 200
        assert "hunter2" not in response.text
        assert "password" not in response.text


class TestSso:
    @pytest.mark.parametrize("return_to", ["/", "/courses/7?tab=1#x", "https://hallym.example/courses"])
    async def test_a_link_is_made(self, whole_http, whole, return_to):
        response = await whole_http.post(f"{TENANT}/sso", json=SSO | {"return_to": return_to})
        assert response.json()["launch_url"].startswith("https://")
        assert whole.asked[0][2].return_to == return_to

    @pytest.mark.parametrize(
        "return_to",
        [
            *("//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "data:text/html,x"),
            *("courses/7", "", "https:evil", "https://x.example\\@evil.example", "ftp://x.example", "/a b"),
        ],
    )
    async def test_what_may_lead_elsewhere_than_it_seems_is_refused(self, assert_refused, whole_http, whole, return_to):
        problem = assert_refused(
            await whole_http.post(f"{TENANT}/sso", json=SSO | {"return_to": return_to}), 422, "invalid_body"
        )
        assert [fault["path"] for fault in problem["details"]] == ["return_to"]
        assert whole.asked == []

    async def test_a_user_without_an_address_is_refused(self, assert_refused, whole_http):
        assert_refused(await whole_http.post(f"{TENANT}/sso", json={"user": {}}), 422, "invalid_body")


class TestInventory:
    async def test_the_handler_gets_the_page(self, whole_http, whole):
        response = await whole_http.get("/mt/tenants?cursor=abc&limit=5")
        assert response.json()["items"][0]["tenant_id"] == "hallym_univ"
        assert whole.asked == [("list_tenants", PageQuery(cursor="abc", limit=5))]

    async def test_more_than_was_asked_for_is_a_500(self, assert_refused, whole_http, whole):
        page = whole.answers["list_tenants"]
        whole.answers["list_tenants"] = TenantPage(items=[*page.items] * 2)
        assert_refused(await whole_http.get("/mt/tenants?limit=1"), 500, "internal_error")
