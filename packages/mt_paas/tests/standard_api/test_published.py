from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from mt_paas.standard_api import error_registry
from mt_paas.standard_api.describe import DESCRIPTIONS
from mt_paas.standard_api.published import FOLDER, PUBLISHED, openapi_document, openapi_json


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_file_in_the_package_is_what_the_code_says(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PUBLISHED[name](), "run: make docs"


def test_nothing_else_is_in_the_folder() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(PUBLISHED)


class TestOpenApi:
    def test_has_every_call_of_the_contract_once(self) -> None:
        operations = [each for ways in openapi_document()["paths"].values() for each in ways.values()]
        assert sorted(each["operationId"] for each in operations) == sorted(call.operation_id for call in DESCRIPTIONS)

    def test_every_reference_leads_somewhere(self) -> None:
        document = json.loads(openapi_json())
        references = {str(node["$ref"]) for node in nodes(document) if "$ref" in node}
        assert len(references) > len(document["components"]["schemas"])
        for reference in references:
            found: Any = document
            for step in reference.removeprefix("#/").split("/"):
                found = found[step.replace("~1", "/")]

    def test_the_file_says_the_same_as_the_document(self) -> None:
        document = json.loads(openapi_json())

        def resolved(node: Any) -> Any:
            if isinstance(node, list):
                return [resolved(each) for each in node]
            if not isinstance(node, dict):
                return node
            reference = str(node.get("$ref", ""))
            if reference.startswith("#/components/") and not reference.startswith("#/components/schemas/"):
                _, _, kind, name = reference.split("/")
                return resolved(document["components"][kind][name])
            return {name: resolved(each) for name, each in node.items()}

        assert resolved(document["paths"]) == openapi_document()["paths"]

    def test_numbers_of_the_models_say_how_wide_they_are(self) -> None:
        schemas = openapi_document()["components"]["schemas"]
        numbers = [node for node in nodes(schemas) if node.get("type") in ("integer", "number")]
        assert numbers
        assert {node.get("format") for node in numbers} == {"int64", "double"}

    def test_no_object_has_a_default_that_would_be_written_into_code(self) -> None:
        schemas = openapi_document()["components"]["schemas"]
        assert [node for node in nodes(schemas) if isinstance(node.get("default"), dict)] == []

    @pytest.mark.parametrize(
        ("model", "member"),
        [
            ("ActivateResponse", "status"),
            ("OperationAccepted", "status"),
            ("Resource", "metadata"),
            ("Stats", "series"),
            ("Stats", "top_resources"),
        ],
    )
    def test_what_every_answer_has_is_required_and_has_no_default(self, model: str, member: str) -> None:
        schema = openapi_document()["components"]["schemas"][model]
        assert member in schema["required"]
        assert "default" not in schema["properties"][member]

    def test_what_a_service_may_leave_out_is_not_required(self) -> None:
        schemas = openapi_document()["components"]["schemas"]
        assert "checks" not in schemas["Health"]["required"]
        assert "admin_credentials" not in schemas["ActivateResponse"]["required"]
        assert schemas["ActivateRequest"]["properties"]["features"]["default"] == []

    def test_required_members_stand_in_the_order_of_the_members(self) -> None:
        for schema in openapi_document()["components"]["schemas"].values():
            required = schema.get("required", [])
            assert required == [name for name in schema.get("properties", {}) if name in required]


def test_the_registry_has_every_word_with_what_a_caller_decides_by() -> None:
    words = json.loads(PUBLISHED["errors.json"]())["errors"]
    assert [word["error"] for word in words] == list(error_registry())
    (word,) = [each for each in words if each["error"] == "operation_in_progress"]
    assert (word["status"], word["retryable"]) == (409, True)
    assert word["type"] == "urn:mt-paas:error:operation_in_progress"


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every JSON object within ``node``."""
    if isinstance(node, dict):
        yield node
        for each in node.values():
            yield from nodes(each)
    elif isinstance(node, list):
        for each in node:
            yield from nodes(each)
