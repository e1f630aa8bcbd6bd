from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mt_paas.core.database.blueprint import Blueprint
from mt_paas.core.database.names import fit, group_name, quote, staging_name, template_name
from mt_paas.core.database.template import fingerprint
from sqlalchemy import Column, Enum, MetaData, Table

REGISTRY = UUID("12345678-1234-5678-1234-567812345678")
tenant_ids = st.from_regex(r"[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]", fullmatch=True)


class TestFit:
    def test_a_name_that_fits_is_kept(self):
        assert fit("tnnt_hallym_univ") == "tnnt_hallym_univ"

    @given(tenant_ids)
    def test_postgresql_never_has_to_cut(self, tenant_id):
        assert len(fit(f"tnnt_{tenant_id}")) <= 63

    @given(tenant_ids, tenant_ids)
    def test_different_tenants_have_different_names(self, one, other):
        assert (fit(f"tnnt_{one}") == fit(f"tnnt_{other}")) == (one == other)

    def test_a_tenant_that_is_named_like_anothers_hash_has_another_name(self):
        long = fit("tnnt_" + "a" * 63)
        lookalike = long.removeprefix("tnnt_")

        assert fit(f"tnnt_{lookalike}") != long

    def test_long_names_that_begin_alike_differ(self):
        assert fit("tnnt_" + "a" * 62 + "b") != fit("tnnt_" + "a" * 62 + "c")


class TestOwnNames:
    def test_fit_whatever_the_service_is_called(self):
        service_id = "s" * 63

        names = [group_name(service_id, REGISTRY), template_name(service_id, REGISTRY, "f" * 64)]
        names.append(staging_name(REGISTRY, names[0]))

        assert all(len(name) <= 63 for name in names)
        assert len(set(names)) == 3

    def test_two_registries_of_one_service_share_none(self):
        other = UUID("87654321-1234-5678-1234-567812345678")

        assert group_name("notes", REGISTRY) != group_name("notes", other)
        assert template_name("notes", REGISTRY, "f") != template_name("notes", other, "f")


class TestFingerprint:
    def test_is_the_same_for_the_same_tables(self):
        assert fingerprint(Blueprint(shop("red"))) == fingerprint(Blueprint(shop("red")))

    @pytest.mark.parametrize("change", [{"index": True}, {"nullable": False}, {"server_default": "red"}])
    def test_is_another_for_another_column(self, change):
        assert fingerprint(Blueprint(shop("red"))) != fingerprint(Blueprint(shop("red", **change)))

    def test_is_another_for_another_type(self):
        assert fingerprint(Blueprint(shop("red"))) != fingerprint(Blueprint(shop("red", "green")))


def shop(*colours: str, **options) -> MetaData:
    metadata = MetaData()
    Table("thing", metadata, Column("colour", Enum(*colours, name="colour"), **options))
    return metadata


def test_quote_leaves_nothing_to_break_out_with():
    assert quote('a"; DROP DATABASE x; --') == '"a""; DROP DATABASE x; --"'
