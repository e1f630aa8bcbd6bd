"""What ends with a tenant: its data, for good and with a receipt; and what its owner takes along."""

from __future__ import annotations

import gzip
import io
import zipfile

from mt_paas.conformance.checks._links import follow_link, link_in
from mt_paas.conformance.checks._people import new_user
from mt_paas.conformance.expect import Answer, is_utc
from mt_paas.conformance.registry import check, endpoint
from mt_paas.conformance.trial import Trial

__all__: list[str] = []

_PURGE = [endpoint("purge")]
_RECEIPT = "`DELETE /mt/tenant/{tenant_id}`: … answers with a deletion receipt"
_GONE = "past its deadline, 410 `tenant_purged`"
_EXPORT = "`POST …/export` → an operation whose result is a download link: the tenant's data in an open format"
_MAX_UNPACKED = 50_000_000


@check("purge.receipt", needs=_PURGE, rule=_RECEIPT)
async def a_deletion_gives_a_receipt(t: Trial) -> None:
    """The deletion of a deactivated tenant answers with a receipt, and the tenant is gone for good."""
    tenant = await t.tenant()
    (await t.deactivate(tenant)).expect(200)
    answer = (await t.call("DELETE", "purge", tenant)).expect(200)
    receipt = answer.object()
    answer.require(receipt.get("tenant_id") == tenant.id, f"the receipt is about {receipt.get('tenant_id')!r}")
    answer.require(any(is_utc(value) for value in receipt.values()), "the receipt has no time (RFC 3339, in UTC)")
    status = await t.status(tenant)
    status.refuse((404, 410), ("tenant_not_found", "tenant_purged"))
    (await t.activate(tenant)).refuse(410, "tenant_purged")
    if t.target.declares("users"):
        (await t.call("GET", "users", tenant)).refuse((403, 404, 410))
    again = await t.call("DELETE", "purge", tenant)
    if again.status == 200:
        again.require(again.object() == receipt, "the second receipt is another one than the first")
    else:
        again.refuse((404, 410), ("tenant_not_found", "tenant_purged"))


@check("purge.unknown", needs=_PURGE, rule="Unknown tenant: 404 `tenant_not_found`")
async def there_is_no_receipt_for_nothing(t: Trial) -> None:
    """There is no receipt for a tenant that never was."""
    (await t.call("DELETE", "purge", t.new_id())).refuse(404, "tenant_not_found")


@check("export.download", needs=[endpoint("export")], rule=_EXPORT)
async def an_export_is_downloaded(t: Trial) -> None:
    """An export ends with a link that works without the key, and holds this tenant's data alone."""
    other = await t.shared("b")
    async with t.lent() as tenant:
        has_users = t.target.declares("users")
        mine = await new_user(t, tenant) if has_users else {}
        theirs = await new_user(t, other) if has_users else {}
        answer = await t.call("POST", "export", tenant, follow=False)
        answer.expect(200, 202)
        if answer.status == 202 or isinstance(answer.object().get("operation_id"), str):
            answer = (await t.ended(answer)).expect(200)
        link = link_in(answer.json())
        if link is None:
            answer.fail("the result has no download link")
        download = (await follow_link(t, link)).expect(200)
        text = _unpacked(download)
        download.require(text, "the export is empty")
        if mine:
            download.require(theirs["email"] not in text, "the export holds a user of another tenant")
            if "\x00" not in text:  # else it is a dump whose form only its own program knows
                download.require(mine["email"] in text, "the export leaves out a user of the tenant")


def _unpacked(answer: Answer) -> str:
    """Return what was downloaded as text, out of the archive that it may be."""
    raw = answer.body
    try:
        if raw.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
                raw = file.read(_MAX_UNPACKED)
        if zipfile.is_zipfile(io.BytesIO(raw)):
            with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                parts = [archive.open(name).read(_MAX_UNPACKED) for name in archive.namelist()]
            raw = b"\n".join(parts)
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        answer.fail(f"the archive can not be opened: {error}")
    return raw.decode("utf-8", "replace")
