"""The shape of the API: pages, failures, bounds, and its description."""

from __future__ import annotations

from typing import Any

import pytest
from service_market.core.errors import registry


class TestPages:
    async def test_walking_them_gives_every_row_once_newest_first(self, operator: Any) -> None:
        slugs = [f"school_{number:02d}" for number in range(7)]
        for slug in slugs:
            await operator.post("/organizations", json={"slug": slug, "name": slug})
        walked, cursor = [], None
        while True:
            query = {"limit": 3, **({"cursor": cursor} if cursor else {})}
            page = (await operator.get("/organizations", params=query)).json()
            walked += [row["slug"] for row in page["data"]]
            assert page["meta"]["total"] == 8
            cursor = page["meta"]["next_cursor"]
            if cursor is None:
                break
        assert walked == [*reversed(slugs), "operator"]

    @pytest.mark.parametrize("cursor", ["x", "!!!", "AAAA", "한글"])
    async def test_a_cursor_of_elsewhere_is_refused(self, operator: Any, cursor: str) -> None:
        answer = await operator.get("/organizations", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["error"]) == (422, "invalid_cursor")

    @pytest.mark.parametrize("limit", ["0", "501", "-1", "many"])
    async def test_a_limit_out_of_bounds_is_refused(self, operator: Any, limit: str) -> None:
        answer = await operator.get("/organizations", params={"limit": limit})
        assert (answer.status_code, answer.json()["error"]) == (422, "invalid_body")


class TestFailures:
    async def test_every_fault_of_a_body_is_told_with_its_place(self, operator: Any) -> None:
        answer = await operator.post("/organizations", json={"slug": "X", "kind": "zoo", "extra": 1})
        assert answer.status_code == 422
        assert {fault["path"] for fault in answer.json()["details"]} == {
            "body/slug",
            "body/name",
            "body/kind",
            "body/extra",
        }

    async def test_a_body_that_is_too_large_is_not_read(self, operator: Any) -> None:
        answer = await operator.post("/organizations", content=b"[" * (1024 * 1024 + 1))
        assert (answer.status_code, answer.json()["error"]) == (413, "body_too_large")

    async def test_a_wrong_method_says_so(self, operator: Any) -> None:
        answer = await operator.delete("/organizations")
        assert (answer.status_code, answer.json()["error"]) == (405, "method_not_allowed")
        assert answer.headers["allow"] == "GET, POST"
        assert answer.headers["content-type"] == "application/problem+json"

    async def test_an_address_with_a_slash_too_many_is_not_there(self, operator: Any) -> None:
        assert (await operator.get("/organizations/")).status_code == 404

    async def test_what_nobody_expected_tells_nothing_but_its_request_id(
        self, operator: Any, app: Any, capsys: Any
    ) -> None:
        @app.get("/broken")
        async def broken() -> None:
            raise RuntimeError("a secret")

        app.router.routes.insert(0, app.router.routes.pop())
        answer = await operator.get("http://market.test/broken", headers={"X-Request-ID": "abc-1"})
        assert (answer.status_code, answer.json()["request_id"]) == (500, "abc-1")
        assert "a secret" not in answer.text
        assert "a secret" not in "".join(capsys.readouterr())

    async def test_a_request_id_that_is_not_sane_is_replaced(self, operator: Any) -> None:
        answer = await operator.get("/health", headers={"X-Request-ID": "a b\tc"})
        assert " " not in answer.headers["x-request-id"]

    async def test_the_codes_are_each_of_one_kind(self) -> None:
        codes = [error.code for error in registry()]
        assert all(error.__doc__ and error.__doc__.strip() for error in registry())
        assert len(codes) == len(set(codes))


class TestDescription:
    async def test_every_operation_has_an_id_a_summary_and_its_failures(self, anybody: Any) -> None:
        document = (await anybody.get("/openapi.json")).json()
        operations = [operation for methods in document["paths"].values() for operation in methods.values()]
        names = [operation["operationId"] for operation in operations]
        assert len(names) == len(set(names))
        for operation in operations:
            assert operation["summary"]
            assert operation["description"]
            if operation["security"]:
                assert {"401", "403"} <= set(operation["responses"])

    async def test_links_name_operations_that_exist(self, anybody: Any) -> None:
        document = (await anybody.get("/openapi.json")).json()
        operations = [operation for methods in document["paths"].values() for operation in methods.values()]
        names = {operation["operationId"] for operation in operations}
        linked = {
            link["operationId"]
            for operation in operations
            for answer in operation["responses"].values()
            for link in answer.get("links", {}).values()
        }
        assert linked == {"getOperation", "getTenant", "getService"}
        assert linked <= names

    async def test_every_reference_leads_somewhere(self, anybody: Any) -> None:
        document = (await anybody.get("/openapi.json")).json()

        def references(node: Any) -> Any:
            if isinstance(node, dict):
                for name, value in node.items():
                    yield from [value] if name == "$ref" else references(value)
            elif isinstance(node, list):
                for value in node:
                    yield from references(value)

        for reference in references(document):
            place = document
            for part in reference.removeprefix("#/").split("/"):
                place = place[part]
