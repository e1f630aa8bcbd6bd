"""Faults in the list of all tenants."""

from __future__ import annotations

from mt_paas.standard_api.models import TenantState
from mt_paas.testing.doubles import FakeService

from mutants.planting import members, mutant, succeeding

INVENTORY = "`GET /mt/tenants?cursor=` is the authoritative list that the market reconciles against"


class Listing(FakeService):
    """A service with another list of tenants."""

    def listed(self, items):
        return items

    async def list_tenants(self, query):
        page = await super().list_tenants(query)
        return page.model_copy(update={"items": self.listed(page.items)[: query.limit]})


@mutant("inventory pagination", INVENTORY)
class TheListLacksATenant(Listing):
    def listed(self, items):
        newest = max(self.tenants.values(), key=lambda tenant: tenant.created_at).request.tenant_id
        return [item for item in items if item.tenant_id != newest]


@mutant("inventory", INVENTORY)
class TheListLacksDeactivatedTenants(Listing):
    def listed(self, items):
        return [item for item in items if item.status is TenantState.ACTIVE]


@mutant("inventory pagination", INVENTORY)
class TheListHasATenantTwice(Listing):
    def listed(self, items):
        return [*items, *items]


@mutant("inventory", INVENTORY)
def the_list_shows_everybody_as_active(service):
    members(service, "inventory", items__status="active")


@mutant("inventory", INVENTORY)
def the_list_has_states_of_its_own(service):
    members(service, "inventory", items__status="running")


@mutant("inventory", INVENTORY)
def the_list_has_ids_of_another_name(service):
    members(
        service,
        "inventory",
        items=lambda items: [{"id": item["tenant_id"], "status": item["status"]} for item in items],
    )


@mutant("inventory pagination", INVENTORY)
class TheListEndsAfterAPage(FakeService):
    async def list_tenants(self, query):
        return (await super().list_tenants(query)).model_copy(update={"next_cursor": None})


@mutant("inventory", INVENTORY)
def the_list_is_wrapped(service):
    def change(said, call):
        said.document = {"tenants": said.document["items"]}

    succeeding(service, "inventory", change)


@mutant("inventory pagination", INVENTORY)
class TheListNeverEnds(FakeService):
    async def list_tenants(self, query):
        page = await super().list_tenants(query)
        return page.model_copy(update={"next_cursor": page.next_cursor or query.cursor or "again"})
