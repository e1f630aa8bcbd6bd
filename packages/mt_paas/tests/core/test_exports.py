from __future__ import annotations

from mt_paas.core import lifecycle, models


def test_the_design_documents_place_of_the_status_works():
    assert models.TenantStatus is lifecycle.TenantStatus
