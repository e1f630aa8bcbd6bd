from __future__ import annotations

import json
import re

import pytest
from mt_paas import errors
from mt_paas.errors import ContractError, InvalidBody, OperationInProgress, TenantBlocked
from mt_paas.standard_api import error_registry
from mt_paas.standard_api.problem import problem, problem_json


class TestProblem:
    def test_an_error_is_problem_details_and_the_contracts_own_members(self):
        body = problem(OperationInProgress(), "req-1").model_dump(exclude_none=True)
        message = "Another lifecycle call for this tenant is under way; ask again when it has ended."
        assert body == {
            "type": "urn:mt-paas:error:operation_in_progress",
            "title": "Operation in progress",
            "status": 409,
            "detail": message,
            "error": "operation_in_progress",
            "message": message,
            "request_id": "req-1",
            "retryable": True,
        }

    def test_details_travel_along(self):
        faults = [{"path": "plan", "message": "Field required"}]
        assert json.loads(problem_json(InvalidBody(details=faults), "-"))["details"] == faults

    @pytest.mark.parametrize("details", [{"a": float("nan")}, {1, 2}, object(), b"\xff", [{"x": ValueError("y")}]])
    def test_details_that_json_does_not_know_do_not_break_the_answer(self, details):
        assert json.loads(problem_json(InvalidBody(details=details), "-"))["error"] == "invalid_body"

    def test_details_that_hold_themselves_are_left_out(self):
        details: dict = {}
        details["again"] = details
        assert "details" not in json.loads(problem_json(InvalidBody(details=details), "-"))


class TestRegistry:
    def test_every_contract_error_is_in_it(self):
        classes = [
            value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, ContractError)
        ]
        assert {cls.code for cls in classes} | {"tenant_deactivated"} == set(error_registry())

    def test_words_are_stable_machine_words_with_a_sentence_for_people(self):
        for code, word in error_registry().items():
            assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
            assert 400 <= word.status < 600
            assert word.message.endswith(".")

    def test_both_words_for_a_blocked_tenant_are_there(self):
        assert error_registry()["tenant_deactivated"].status == TenantBlocked(code="tenant_deactivated").status == 403

    def test_a_services_own_errors_are_not_the_contracts(self):
        class QuotaSpent(ContractError):
            """Too much."""

            code = "quota_spent"

        assert QuotaSpent.code not in error_registry()

    def test_the_tree_in_the_module_names_every_word(self):
        for code in error_registry():
            assert code in (errors.__doc__ or "")
