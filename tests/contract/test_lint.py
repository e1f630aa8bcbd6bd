"""The linter that `make check` runs over the published document, by somebody who wrote none of it."""

from __future__ import annotations

import json

import pytest

from tests.contract.tools import ToolFailed, lint


def test_has_nothing_to_say_of_the_published_document(document):
    said = lint(document)

    assert "Your API description is valid" in said
    assert "warning" not in said.lower()


def test_refuses_one_with_a_fault(document, tmp_path):
    faulty = json.loads(document.read_text(encoding="utf-8"))
    faulty["paths"]["/mt/health"]["get"]["operationId"] = "mt_get_tenant_status"
    copy = tmp_path / "openapi.json"
    copy.write_text(json.dumps(faulty), encoding="utf-8")

    with pytest.raises(ToolFailed, match="operation-operationId-unique"):
        lint(copy)
