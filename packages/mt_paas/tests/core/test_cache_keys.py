from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mt_paas.core.cache_keys import CacheKeys
from mt_paas.core.context import tenant_bound
from mt_paas.errors import InvalidTenantId, TenantNotBound

tenant_ids = st.from_regex(r"[a-z0-9]([a-z0-9_-]{1,61})[a-z0-9]", fullmatch=True)
awkward = st.text(st.sampled_from(":%/a \0\n\ud800학"), max_size=4)
parts = st.lists(st.one_of(st.text(), awkward, st.integers(), st.uuids()), min_size=1, max_size=4)
names = st.tuples(st.sampled_from(["notes", "notes-2"]), tenant_ids, parts)


def key_of(name: tuple[str, str, list[str | int | UUID]]) -> str:
    service_id, tenant_id, parts = name
    return CacheKeys(service_id).key(*parts, tenant_id=tenant_id)


def told(name: tuple[str, str, list[str | int | UUID]]) -> tuple[object, ...]:
    return (*name[:2], *map(str, name[2]))


class TestKey:
    @given(names, names)
    def test_is_the_same_for_the_same_and_for_nothing_else(self, one, other):
        assert (key_of(one) == key_of(other)) == (told(one) == told(other))

    @given(st.lists(awkward, min_size=1, max_size=3), st.lists(awkward, min_size=1, max_size=3))
    def test_tells_parts_apart_whatever_separates_them(self, one, other):
        keys = CacheKeys("notes")

        assert (keys.key(*one, tenant_id="hallym") == keys.key(*other, tenant_id="hallym")) == (one == other)

    @given(names, tenant_ids)
    def test_begins_with_the_prefix_of_its_tenant_and_of_no_other(self, name, other):
        prefix = CacheKeys(name[0]).prefix(tenant_id=other)

        assert key_of(name).startswith(prefix) == (other == name[1])

    @given(names)
    def test_is_printable_ascii_without_spaces(self, name):
        assert all("!" <= character <= "~" for character in key_of(name))

    def test_is_for_the_tenant_that_is_bound(self):
        with tenant_bound("hallym_univ"):
            assert CacheKeys("notes").key("note", 7) == "mt:notes:hallym_univ:note:7"

    def test_without_a_tenant_is_refused(self):
        with pytest.raises(TenantNotBound):
            CacheKeys("notes").key("note", 7)

    def test_of_what_is_no_tenant_is_refused(self):
        with pytest.raises(InvalidTenantId):
            CacheKeys("notes").key("note", tenant_id="hallym:univ")

    @pytest.mark.parametrize("part", [None, True, b"note", 1.5, ("a", "b")])
    def test_takes_no_part_whose_text_says_nothing(self, part):
        with pytest.raises(TypeError, match="a part of a cache key is a text"):
            CacheKeys("notes").key("note", part, tenant_id="hallym_univ")

    def test_needs_a_part(self):
        with pytest.raises(TypeError, match="something that it is the key of"):
            CacheKeys("notes").key(tenant_id="hallym_univ")
