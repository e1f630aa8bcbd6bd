"""What can go wrong in the catalogue."""

from __future__ import annotations

from service_market.core.errors import Conflict, Forbidden, Invalid, NotFound

__all__ = ["ManifestInvalid", "PlanNotOffered", "ServiceNotFound", "ServiceNotListed", "ServiceOfAnotherVendor"]


class ServiceNotFound(NotFound):
    """There is no such service in the catalogue."""

    code = "service_not_found"


class ServiceNotListed(Conflict):
    """The service is not listed, so it can not be subscribed to."""

    code = "service_not_listed"


class ServiceOfAnotherVendor(Forbidden):
    """A service of this id belongs to another vendor."""

    code = "service_of_another_vendor"


class ManifestInvalid(Invalid):
    """The manifest has faults; `details` lists every one with its line and column."""

    code = "manifest_invalid"


class PlanNotOffered(Invalid):
    """The service does not have this plan."""

    code = "invalid_plan"
