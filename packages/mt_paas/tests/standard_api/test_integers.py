"""Whole numbers, which JSON may write with a point: every integer of the contract takes them, and nothing else."""

from __future__ import annotations

import json

import pytest
from mt_paas.standard_api import ActivateRequest, models
from mt_paas.standard_api.models import ContractModel
from mt_paas.standard_api.wire import WireError, read
from pydantic import ConfigDict, TypeAdapter, ValidationError


def integers():
    for name in models.__all__:
        model = getattr(models, name)
        if isinstance(model, type) and issubclass(model, ContractModel):
            properties = model.model_json_schema().get("properties", {})
            for field in model.model_fields:
                such = properties.get(field, {})
                if any(each.get("type") == "integer" for each in (such, *such.get("anyOf", ()))):
                    yield pytest.param(model, field, id=f"{name}.{field}")


FIELDS = list(integers())


def taken(model, field, text):
    wanted = model.model_fields[field].rebuild_annotation()
    return TypeAdapter(wanted, config=ConfigDict(strict=True)).validate_json(text)


def test_the_contract_has_integers():
    assert {field.id for field in FIELDS} > {"TenantConfig.max_users", "UserPage.total", "SettingsResponse.version"}


@pytest.mark.parametrize(("model", "field"), FIELDS)
class TestEveryInteger:
    @pytest.mark.parametrize("text", ["500", "500.0", "5e2", "5.00E+2"])
    def test_is_taken_however_it_is_written(self, model, field, text):
        found = taken(model, field, text)
        assert (found, type(found)) == (500, int)

    @pytest.mark.parametrize("text", ["500.5", "true", "1e300", "-1e300", "9007199254740993.0"])
    def test_is_not_what_is_none_or_is_not_exact(self, model, field, text):
        with pytest.raises(ValidationError):
            taken(model, field, text)


def test_bounds_hold_for_it_and_the_fault_names_its_place(activation):
    body = activation.model_dump(mode="json") | {"config": {"max_users": 0.0}}
    with pytest.raises(WireError) as refused:
        read(ActivateRequest, json.dumps(body).encode())
    assert [fault.path for fault in refused.value.faults] == ["config.max_users"]


def test_two_bodies_that_write_it_otherwise_are_equal(activation):
    body = activation.model_dump(mode="json")
    first, second = (json.dumps(body | {"config": {"max_users": number}}).encode() for number in (5, 5.0))
    assert read(ActivateRequest, first) == read(ActivateRequest, second)
