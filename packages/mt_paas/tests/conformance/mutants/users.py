"""Faults in users: what they are, how they change, how they are found."""

from __future__ import annotations

from dataclasses import replace

from mt_paas.errors import UserNotFound
from mt_paas.standard_api.models import UserStatus
from mt_paas.testing.doubles import Call, FakeService, altering

from mutants.planting import GONE, members, mending, mutant, plant, refusing, succeeding

USER = "a user is `{id, email, name, role, status: active|invited|disabled, created_at, last_active_at?}`"
CREATE = "`POST …/users` `{email, name?, role?}`: 201"
UPDATE = "`PUT …/users/{user_id}` (any of `name, role, status`): 200"
DELETE = "`DELETE …/users/{user_id}`: 204; 404 `user_not_found`"
LIST = "`GET …/users?cursor=&limit=&q=&role=&status=`: a page: `{items[], next_cursor, total}`"


@mutant("users", CREATE)
def a_new_user_is_200(service):
    succeeding(service, "users", lambda said, call: setattr(said, "status", 200), "POST")


@mutant("users", CREATE)
def a_new_user_is_wrapped(service):
    def wrap(said, call):
        said.document = {"user": said.document}

    succeeding(service, "users", wrap, "POST")


@mutant("users", CREATE)
class ANewUserHasNoNameOfTheirOwn(FakeService):
    async def create_user(self, tenant_id, request):
        return await super().create_user(tenant_id, request.model_copy(update={"name": None}))


@mutant("users", CREATE)
class ANewUserGetsNoRole(FakeService):
    async def create_user(self, tenant_id, request):
        return await super().create_user(tenant_id, request.model_copy(update={"role": None}))


@mutant("users", CREATE)
def the_address_of_a_new_user_is_another(service):
    members(service, "users", "POST", email=lambda email: "x" + email)


@mutant("users", CREATE)
class ANewUserIsNotKept(FakeService):
    async def create_user(self, tenant_id, request):
        user = await super().create_user(tenant_id, request)
        self.tenants[tenant_id].users.pop(user.id)
        return user


@mutant("users", CREATE)
def a_new_user_needs_a_name(service):
    async def behave(call: Call) -> None:
        body = call.recorded.body
        lacks = isinstance(body, dict) and "email" in body and "name" not in body
        refusal = b'{"error":"invalid_body","message":"name: it is missing"}'
        await (call.answer(422, refusal, "application/json") if lacks else call.proceed())

    plant(service, behave, "users", "POST")


@mutant("users", USER)
def a_new_user_is_pending(service):
    members(service, "users", "POST", status="pending")


@mutant("users", USER)
def users_have_no_role(service):
    members(service, "users", "GET", items__role=GONE)


@mutant("users", USER)
def users_have_numbers_for_ids(service):
    members(service, "users", "POST", id=lambda text: int(text[2:]))


@mutant("users", USER)
def all_users_have_one_id(service):
    members(service, "users", "POST", id="u_1")


@mutant("users", "times are RFC 3339 in UTC")
def times_of_users_have_no_zone(service):
    members(service, "users", "POST", created_at=lambda text: text.removesuffix("Z"))


@mutant("users", "times are RFC 3339 in UTC")
def times_of_listed_users_are_those_of_seoul(service):
    members(service, "users", "GET", items__created_at=lambda text: text.replace("Z", "+09:00"))


@mutant("users", USER)
def a_password_comes_with_a_new_user(service):
    members(service, "users", "POST", password="hunter2hunter2")


@mutant("users", UPDATE)
class AChangeResetsWhatItDoesNotName(FakeService):
    async def update_user(self, tenant_id, user_id, request):
        given = request.model_dump(exclude_none=True)
        whole = {"name": "?", "role": "member", "status": UserStatus.ACTIVE} | given
        return await super().update_user(tenant_id, user_id, request.model_copy(update=whole))


@mutant("users", UPDATE)
class AChangeIsSaidAndNotDone(FakeService):
    async def update_user(self, tenant_id, user_id, request):
        before = dict(self.existing(tenant_id).users)
        user = await super().update_user(tenant_id, user_id, request)
        self.tenants[tenant_id].users = before
        return user


@mutant("users", UPDATE)
class OnlyNamesAreChanged(FakeService):
    async def update_user(self, tenant_id, user_id, request):
        return await super().update_user(tenant_id, user_id, request.model_copy(update={"status": None}))


@mutant("users", UPDATE)
class RolesAreNeverChanged(FakeService):
    async def update_user(self, tenant_id, user_id, request):
        return await super().update_user(tenant_id, user_id, request.model_copy(update={"role": None}))


@mutant("users", UPDATE)
class AChangeIsANewBirthday(FakeService):
    async def update_user(self, tenant_id, user_id, request):
        user = await super().update_user(tenant_id, user_id, request)
        user = user.model_copy(update={"created_at": self.clock()})
        self.tenants[tenant_id].users[user_id] = user
        return user


@mutant("users", UPDATE)
def a_change_is_204(service):
    def empty(said, call):
        said.status, said.body = 204, b""

    succeeding(service, "user", empty, "PUT")


@mutant("users", "404 `user_not_found`")
def nobody_is_changed_and_it_is_well(service):
    def change(said):
        said.status = 200
        user = {"id": "u_0", "email": "a@example.org", "name": "?", "role": "member", "status": "active"}
        said.document = user | {"created_at": "2026-01-01T00:00:00Z"}

    async def behave(call: Call) -> None:
        await altering(lambda said, _: change(said) if said.status == 404 else None)(call)

    plant(service, behave, "user", "PUT")


@mutant("users", "404 `user_not_found`")
def nobody_has_another_word(service):
    def change(said):
        said.document = said.document | {"error": "not_found"}

    refusing(service, change, "user_not_found")


@mutant("users", "404 `user_not_found`")
def nobody_is_deleted_and_it_is_well(service):
    def change(said, call):
        if said.status == 404 and call.method == "DELETE":
            said.status, said.body = 204, b""

    plant(service, altering(change), "user")


@mutant("users", DELETE)
def a_deletion_is_200(service):
    def change(said, call):
        said.status, said.document, said.headers["content-type"] = 200, {"deleted": True}, "application/json"

    succeeding(service, "user", change, "DELETE")


@mutant("users", DELETE)
class ADeletedUserStays(FakeService):
    async def delete_user(self, tenant_id, user_id):
        before = dict(self.existing(tenant_id).users)
        await super().delete_user(tenant_id, user_id)
        self.tenants[tenant_id].users = before


@mutant("users", DELETE)
class ADeletedUserIsDisabled(FakeService):
    async def delete_user(self, tenant_id, user_id):
        user = self.existing(tenant_id).users.get(user_id)
        if user is None:
            raise UserNotFound
        self.tenants[tenant_id].users[user_id] = user.model_copy(update={"status": UserStatus.DISABLED})


@mutant("users", DELETE)
class ADeletedUserIsCounted(FakeService):
    def __init__(self, **options):
        super().__init__(**options)
        self.gone = {}

    async def delete_user(self, tenant_id, user_id):
        await super().delete_user(tenant_id, user_id)
        self.gone[tenant_id] = self.gone.get(tenant_id, 0) + 1

    async def list_users(self, tenant_id, query):
        page = await super().list_users(tenant_id, query)
        return page.model_copy(update={"total": page.total + self.gone.get(tenant_id, 0)})


class Filtering(FakeService):
    """A service that does not look at a part of the query."""

    ignored = ""

    async def list_users(self, tenant_id, query):
        return await super().list_users(tenant_id, replace(query, **{self.ignored: None}))


@mutant("users", LIST)
class QIsIgnored(Filtering):
    ignored = "q"


@mutant("users", LIST)
class TheRoleIsIgnored(Filtering):
    ignored = "role"


@mutant("users", LIST)
class TheStatusIsIgnored(Filtering):
    ignored = "status"


@mutant("users", LIST)
def the_total_is_that_of_the_page(service):
    def change(said, call):
        said.document = said.document | {"total": len(said.document["items"])}

    succeeding(service, "users", change, "GET")


@mutant("users", LIST)
class TheTotalCountsEverybody(FakeService):
    async def list_users(self, tenant_id, query):
        page = await super().list_users(tenant_id, query)
        return page.model_copy(update={"total": len(self.tenants[tenant_id].users)})


@mutant("users", LIST)
def the_total_of_users_is_missing(service):
    members(service, "users", "GET", total=GONE)


@mutant("users", LIST)
def users_are_a_bare_list(service):
    def bare(said, call):
        said.document = said.document["items"]

    succeeding(service, "users", bare, "GET")


@mutant("users", "A body that is not valid: 422 `invalid_body`")
def any_text_is_an_address_of_a_user(service):
    def mend(body):
        if isinstance(body.get("email"), str) and "@" not in body["email"]:
            body["email"] += "@example.org"

    mending(service, "users", mend, "POST")


@mutant("users", "A body that is not valid: 422 `invalid_body`")
def a_user_needs_no_address(service):
    mending(service, "users", lambda body: body.setdefault("email", f"{id(body)}@example.org"), "POST")


@mutant("users", "A body that is not valid: 422 `invalid_body`")
def an_unknown_state_is_left_out(service):
    def mend(body):
        if body.get("status") not in {"active", "invited", "disabled"}:
            body.pop("status", None)

    mending(service, "user", mend, "PUT")


@mutant("users", "A body that is not valid: 422 `invalid_body`")
def a_user_with_a_wrong_address_breaks_the_service(service):
    refusing(service, lambda said: setattr(said, "status", 500), "invalid_body", "users")


@mutant("users", "JSON is snake_case, UTF-8")
def users_are_announced_as_text(service):
    succeeding(service, "users", lambda said, call: said.headers.update({"content-type": "text/plain"}), "GET")


@mutant("users", USER)
def users_were_made_tomorrow(service):
    members(service, "users", "POST", created_at="2099-01-01T00:00:00Z")


@mutant("users", USER)
def users_have_no_created_at(service):
    members(service, "users", created_at=GONE, items__created_at=GONE)


@mutant("users", USER)
def users_have_no_status(service):
    members(service, "users", "GET", items__status=GONE)


@mutant("users", UPDATE)
def a_changed_user_is_another(service):
    members(service, "user", "PUT", id="u_99999999")
