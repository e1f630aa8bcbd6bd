from __future__ import annotations

import pytest
from mt_paas import core
from mt_paas.core import lifecycle, models


def test_all_is_sorted_and_each_name_is_there():
    assert core.__all__ == sorted(core.__all__)
    assert all(getattr(core, name) for name in core.__all__)
    assert dir(core) == core.__all__


def test_another_name_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = core.Nothing


def test_the_design_documents_place_of_the_status_works():
    assert models.TenantStatus is lifecycle.TenantStatus
