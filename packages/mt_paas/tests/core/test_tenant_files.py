from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mt_paas.core.context import tenant_bound
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.core.tenant_files import TenantFiles
from mt_paas.errors import InternalError, InvalidTenantId, TenantNotBound, UnsafePath

TENANT = "hallym_univ"
hostile = st.lists(st.sampled_from(["..", ".", "", "a", "b.txt", "\\", "\0", "한글", "~", "C:"]), max_size=5)


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def files(manager, folder) -> TenantFiles:
    return TenantFiles(manager, folder)


class TestPath:
    async def test_is_in_the_folder_of_the_tenant_and_can_be_written(self, files):
        path = files.path("reports/2026/first.txt", tenant_id=TENANT)
        path.write_text("a report")

        assert path == files.folder(tenant_id=TENANT) / "reports" / "2026" / "first.txt"
        assert files.path("reports/2026/first.txt", tenant_id=TENANT).read_text() == "a report"

    async def test_is_for_the_tenant_that_is_bound(self, files):
        with tenant_bound(TENANT):
            assert files.path("a.txt") == files.path("a.txt", tenant_id=TENANT)
            assert files.path("a.txt") != files.path("a.txt", tenant_id="snu_univ")
        with pytest.raises(TenantNotBound):
            files.path("a.txt")

    async def test_of_what_is_no_tenant_is_refused(self, files):
        with pytest.raises(InvalidTenantId):
            files.path("a.txt", tenant_id="..")

    async def test_is_for_this_user_alone(self, files):
        place = files.path("a/b.txt", tenant_id=TENANT).parent

        assert [path.stat().st_mode & 0o777 for path in (place, place.parent)] == [0o700, 0o700]

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("", "is empty"),
            ("/etc/passwd", "is absolute"),
            ("../other/a.txt", "has a part '..'"),
            ("a/../../b.txt", "has a part '..'"),
            ("a/./b.txt", "has a part '.'"),
            ("a//b.txt", "has a part ''"),
            ("a/", "has a part ''"),
            ("a\0.txt", "holds a NUL"),
            ("..\\a.txt", "or a backslash"),
            ("x" * 256, "longer than 255 bytes"),
            ("한" * 86, "longer than 255 bytes"),
        ],
    )
    async def test_that_leads_elsewhere_is_refused_with_the_reason(self, files, name, reason):
        with pytest.raises(UnsafePath, match=reason):
            files.path(name, tenant_id=TENANT)

    @given(hostile, st.booleans())
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    async def test_never_leads_out_of_the_folder(self, files, parts, absolute):
        home = files.folder(tenant_id=TENANT).resolve()
        try:
            path = files.path("/" * absolute + "/".join(parts), tenant_id=TENANT)
        except UnsafePath:
            return
        assert path.resolve().is_relative_to(home)
        assert path.resolve() != home

    @pytest.mark.parametrize("name", ["link", "link/a.txt", "a/link/b.txt"])
    async def test_through_a_symbolic_link_is_refused(self, files, tmp_path, name):
        link = files.path(name.replace("link", "x"), tenant_id=TENANT)
        link = files.folder(tenant_id=TENANT) / name.partition("link")[0] / "link"
        link.symlink_to(tmp_path)

        with pytest.raises(UnsafePath, match="is a symbolic link"):
            files.path(name, tenant_id=TENANT)

    async def test_through_a_file_is_refused(self, files):
        files.path("a", tenant_id=TENANT).write_text("a file")

        with pytest.raises(UnsafePath, match="which is a file and no folder"):
            files.path("a/b.txt", tenant_id=TENANT)


class TestPurge:
    @pytest.fixture
    async def tenant(self, manager, tenants, files) -> str:
        """A deactivated tenant with a file, of a service whose purges delete files."""
        await tenants.activate(TENANT)
        files.path("a/b.txt", tenant_id=TENANT).write_text("a file")
        manager.on_purge["files"] = files.discard_all_of
        await manager.deactivate_tenant(TENANT)
        return TENANT

    async def test_deletes_the_files_of_the_tenant_alone_and_says_so(self, manager, files, tenant):
        files.path("a.txt", tenant_id="snu_univ").write_text("another's")

        await manager.purge_tenant(tenant)

        place = files.folder(tenant_id="snu_univ")
        assert [path.name for path in place.parent.iterdir()] == ["snu_univ"]
        assert (place / "a.txt").read_text() == "another's"
        assert "files" in (await manager.receipt(tenant)).deleted

    async def test_does_not_follow_a_link_out_of_the_folder(self, manager, files, tenant, tmp_path):
        (tmp_path / "outside.txt").write_text("not the tenant's")
        (files.folder(tenant_id=tenant) / "link").symlink_to(tmp_path)

        await manager.purge_tenant(tenant)

        assert (tmp_path / "outside.txt").read_text() == "not the tenant's"

    async def test_that_can_not_delete_them_is_not_done_and_tried_again(self, manager, tenant):
        trouble = [InternalError("the disk refuses")]

        async def discard(tenant_id: str) -> None:
            if trouble:
                raise trouble.pop()

        manager.on_purge["search_index"] = discard
        with pytest.raises(InternalError):
            await manager.purge_tenant(tenant)
        assert (await manager.get_tenant(tenant)).status is TenantStatus.PURGING

        await manager.sweep()

        assert (await manager.receipt(tenant)).deleted[-2:] == ["files", "search_index"]

    async def test_of_another_machine_is_followed_by_the_sweep(self, manager, new_manager, files, tenant, prefix):
        async with new_manager() as elsewhere:
            await elsewhere.purge_tenant(tenant)
        files.path("kept.txt", tenant_id="snu_univ").write_text("of a tenant that nobody purged")

        await files.sweep()

        assert [path.name for path in files.folder(tenant_id="snu_univ").parent.iterdir()] == ["snu_univ"]

    async def test_a_sweep_without_any_file_does_nothing(self, files, folder):
        await files.sweep()

        assert not folder.exists()
