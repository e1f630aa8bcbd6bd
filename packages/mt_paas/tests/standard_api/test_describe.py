"""The descriptions of the calls, and the OpenAPI document that the router makes of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from mt_paas.standard_api.describe import DESCRIPTIONS, TAGS
from mt_paas.standard_api.describe.legacy import LEGACY
from mt_paas.standard_api.handler import StandardAPIHandler
from mt_paas.standard_api.wire import read

CALLS = (*DESCRIPTIONS, *LEGACY)
BY_NAME = {call.call: call for call in DESCRIPTIONS}


def named(call: Any) -> str:
    return call.call


@pytest.fixture
async def document(make_http, make_manifest, whole):
    http = make_http(whole, manifest=make_manifest(), legacy_aliases=True)
    return (await http.get("/openapi.json")).json()


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for ways in document["paths"].values():
        yield from ways.values()


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from nodes(child)
    elif isinstance(node, list):
        for child in node:
            yield from nodes(child)


class TestDescriptions:
    def test_every_method_of_the_handler_has_one(self):
        methods = {name for name, value in vars(StandardAPIHandler).items() if callable(value)}
        assert methods - {"find_tenant_of"} == {call.call for call in DESCRIPTIONS} - {"get_configuration"}

    @pytest.mark.parametrize("call", CALLS, ids=named)
    def test_every_example_is_one_of_its_model(self, call):
        for answer in call.answers:
            if answer.example is not None:
                raw = answer.example.model_dump_json().encode()
                assert read(type(answer.example), raw).model_dump() == answer.example.model_dump()

    @pytest.mark.parametrize("call", [call for call in CALLS if call.body is not None], ids=named)
    def test_the_example_of_a_body_is_a_right_body(self, call):
        example = call.operation(("1", "2"), ())["requestBody"]["content"]["application/json"]["example"]
        assert read(call.body, json.dumps(example).encode())

    @pytest.mark.parametrize("call", CALLS, ids=named)
    def test_its_path_is_matched_and_has_its_parameters(self, call):
        variables = re.findall(r"{(\w+)}", call.path)
        assert [each["name"] for each in call.parameters if each["in"] == "path"] == variables
        assert call.pattern.fullmatch(call.path.format(**dict.fromkeys(variables, "x.y")))
        assert not call.pattern.fullmatch(call.path.format(**dict.fromkeys(variables, "x/y")) + "/")

    @pytest.mark.parametrize("call", CALLS, ids=named)
    def test_a_parameters_own_example_and_default_keep_its_rules(self, call):
        for parameter in call.operation(("1", "2"), ())["parameters"]:
            schema = parameter["schema"]
            for value in (each for each in (parameter.get("example"), schema.get("default")) if each is not None):
                assert re.search(schema.get("pattern", ""), str(value))
                assert value in schema.get("enum", [value])

    @pytest.mark.parametrize("call", DESCRIPTIONS, ids=named)
    def test_every_link_leads_to_a_call_with_those_parameters(self, call):
        for answer in call.answers:
            for link in answer.links:
                target = BY_NAME[link.call]
                parameters = {each["name"] for each in target.parameters}
                assert {name.removeprefix("header.") for name in link.parameters} <= parameters
                required = {each["name"] for each in target.parameters if each["in"] == "path"}
                assert required <= link.parameters.keys()


class TestDocument:
    async def test_every_operation_says_what_a_reader_needs(self, document):
        tags = {tag["name"] for tag in TAGS}
        for operation in operations(document):
            assert operation["summary"]
            assert operation["description"].endswith((".", ")"))
            assert len(operation["tags"]) == 1
            assert set(operation["tags"]) <= tags
            assert "security" in operation
            statuses = operation["responses"].keys()
            assert any(status.startswith("4") for status in statuses)
            assert any(status.startswith("2") for status in statuses)
            assert "default" in statuses

    async def test_every_operation_has_a_name_of_its_own(self, document):
        names = [operation["operationId"] for operation in operations(document)]
        assert len(names) == len(set(names)) == len(CALLS)
        assert all(re.fullmatch(r"mt_[a-z_]+", name) for name in names)

    async def test_every_parameter_stands_once(self, document):
        for operation in operations(document):
            places = [(parameter["in"], parameter["name"]) for parameter in operation["parameters"]]
            assert len(places) == len(set(places)), operation["operationId"]

    async def test_every_success_has_an_example_and_every_error_one_for_each_word(self, document):
        for operation in operations(document):
            for status, response in operation["responses"].items():
                assert "X-Request-ID" in response["headers"]
                if status.startswith("2") and status != "204":
                    assert response["content"]["application/json"]["example"]
                elif status.startswith(("4", "5")):
                    examples = response["content"]["application/problem+json"]["examples"]
                    assert all(each["value"]["status"] == int(status) for each in examples.values())
                    assert all(f"`{word}`" in response["description"] for word in examples)

    async def test_every_reference_and_every_link_leads_somewhere(self, document):
        names = {operation["operationId"] for operation in operations(document)}
        references = {node["$ref"] for node in nodes(document) if isinstance(node.get("$ref"), str)}
        assert len(references) > 40
        for reference in references:
            target = document
            for step in reference.removeprefix("#/").split("/"):
                target = target[step]
        links = {node["operationId"] for node in nodes(document) if "operationId" in node}
        assert links == names

    async def test_a_link_to_what_is_not_offered_is_left_out(self, make_http, make_manifest, whole):
        http = make_http(whole, manifest=make_manifest("users"))
        document = (await http.get("/openapi.json")).json()
        links = document["paths"]["/mt/tenant/{tenant_id}/activate"]["post"]["responses"]["200"]["links"]
        assert "get_tenant_stats" in links
        assert not {"list_users", "create_user"} & links.keys()

    async def test_the_plans_are_those_of_the_manifest(self, document):
        for path in ("/mt/tenant/{tenant_id}/activate", "/mt/tenant/{tenant_id}/plan"):
            body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
            assert body["properties"] == {"plan": {"enum": ["basic", "premium"]}}

    async def test_only_versions_that_have_the_call_can_be_asked_for(self, document):
        for path, versions in (("/mt/tenant/{tenant_id}/status", ["1", "2"]), ("/mt/tenants", ["2"])):
            parameters = document["paths"][path]["get"]["parameters"]
            (asked,) = (each["schema"]["enum"] for each in parameters if each["name"] == "X-MT-API-Version")
            assert asked == versions

    async def test_a_deleted_user_has_no_body(self, document):
        answer = document["paths"]["/mt/tenant/{tenant_id}/users/{user_id}"]["delete"]["responses"]["204"]
        assert "content" not in answer

    async def test_health_takes_no_key_and_the_rest_does(self, document):
        for path, ways in document["paths"].items():
            for operation in ways.values():
                assert operation["security"] == ([] if path == "/mt/health" else [{"MarketKey": []}])
