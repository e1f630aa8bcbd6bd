"""What can be wrong with an event."""

from __future__ import annotations

from service_market.core.errors import Forbidden, Unauthenticated

__all__ = ["SignatureWrong", "TenantForbidden"]


class SignatureWrong(Unauthenticated):
    """The event is not signed with the secret of the call-back whose token it carries, or it is too old."""

    code = "signature_invalid"


class TenantForbidden(Forbidden):
    """This call-back is another tenant's: each reports about its own alone."""

    code = "tenant_forbidden"
