"""The calls of the contract, each from its request to the bytes of its answer."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from mt_paas.errors import (
    InvalidBody,
    InvalidPlan,
    NotImplementedByService,
    TenantIdMismatch,
    UnsupportedApiVersion,
)
from mt_paas.standard_api.answers import answer_with
from mt_paas.standard_api.auth import ApiKeys
from mt_paas.standard_api.describe import TOP_LIMIT, CallDescription
from mt_paas.standard_api.handler import StandardAPIHandler, call_context, in_call
from mt_paas.standard_api.models import (
    MAX_LIMIT,
    ActivateRequest,
    ActivateResponse,
    ConfigurationKeys,
    ConfigurationLimits,
    ConfigurationSchemas,
    ContractModel,
    Costs,
    CredentialsResponse,
    DeactivateRequest,
    DeactivateResponse,
    DeletionReceipt,
    Health,
    Operation,
    OperationAccepted,
    OperationStatus,
    PlanChangeRequest,
    PlanChangeResponse,
    ResourcePage,
    ServiceConfiguration,
    SettingsResponse,
    SettingsUpdate,
    SsoRequest,
    SsoResponse,
    Stats,
    StatusResponse,
    SuspendRequest,
    TenantPage,
    TenantStateResponse,
    TopUsers,
    UsageResponse,
    User,
    UserCreate,
    UserPage,
    UserUpdate,
)
from mt_paas.standard_api.router.answering import accepted, answer, base_path_of, with_etag
from mt_paas.standard_api.router.offer import Offer
from mt_paas.standard_api.router.reading import (
    body_of,
    expected_version_of,
    idempotency_key_of,
    limit_of,
    operation_id_of,
    page_query_of,
    period_of,
    resource_query_of,
    tenant_id_of,
    user_id_of,
    user_query_of,
    version_of,
)

__all__ = ["Calls", "Terms"]

# A path of the service's own, or a whole address of the web: "//host" and "/\host" lead elsewhere than they seem to.
_RETURN_TO = re.compile(r"/(?![/\\])[^\\]*|https?://[^\\]+", re.IGNORECASE)

BodyModel = TypeVar("BodyModel", bound=ContractModel)


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms calls are taken. ``manifest_path`` is where the application shows its manifest, if it does."""

    keys: ApiKeys
    max_body_bytes: int
    clock: Callable[[], datetime]
    manifest_path: str | None = None


class Calls:
    """Takes every call of a service in one order: key, version, whether it is offered, ids, query, body, handler."""

    def __init__(self, handler: StandardAPIHandler, offer: Offer, terms: Terms) -> None:
        self.offer = offer
        self.terms = terms
        self.handler = handler

    def endpoint(
        self, call: CallDescription, answer_call: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return the endpoint of ``call``: admission, and then ``answer_call``."""

        async def endpoint(request: Request) -> Response:
            self._admit(call, request)
            key = None if call.method == "GET" else idempotency_key_of(request)
            with in_call(replace(call_context(), idempotency_key=key)):
                return await answer_call(request)

        return endpoint

    def _admit(self, call: CallDescription, request: Request) -> None:
        if call.needs_key:
            self.terms.keys.check(request.headers.getlist)
            version = version_of(request, self.offer.versions)
            if not self.offer.has(call):
                raise NotImplementedByService
            if version < call.since:
                newer = [each for each in self.offer.versions if each >= call.since]
                message = f"Version {version} has no such call; it came with version {call.since}."
                raise UnsupportedApiVersion(message, details={"versions": newer})
        else:
            asked = request.headers.get("X-MT-API-Version")
            version = asked if asked in self.offer.versions else self.offer.versions[-1]
        answer_with(request, {"X-MT-API-Version": version})

    # Version 1: the life of a tenant

    async def health(self, request: Request) -> Response:
        """Answer ``GET /health``."""
        return answer(Health, await self.handler.health())

    async def activate_tenant(self, request: Request) -> Response:
        """Answer ``POST …/activate``."""
        tenant_id = tenant_id_of(request)
        body = await self.body(ActivateRequest, request)
        if body.tenant_id != tenant_id:
            raise TenantIdMismatch(f"The path names {tenant_id}, the body {body.tenant_id}.")
        self.refuse_unknown_plan(body.plan)
        result = await self.handler.activate_tenant(body)
        return self.answer_or_later(
            ActivateResponse, result, tenant_id, base_path_of(request, "/tenant/{tenant_id}/activate")
        )

    async def deactivate_tenant(self, request: Request) -> Response:
        """Answer ``POST …/deactivate``."""
        tenant_id = tenant_id_of(request)
        body = await self.body(DeactivateRequest, request)
        if body.tenant_id not in {None, tenant_id}:
            raise TenantIdMismatch(f"The path names {tenant_id}, the body {body.tenant_id}.")
        result = await self.handler.deactivate_tenant(tenant_id, body)
        return self.answer_or_later(
            DeactivateResponse, result, tenant_id, base_path_of(request, "/tenant/{tenant_id}/deactivate")
        )

    async def get_tenant_status(self, request: Request) -> Response:
        """Answer ``GET …/status``."""
        tenant_id = tenant_id_of(request)
        return answer(StatusResponse, await self.handler.get_tenant_status(tenant_id), tenant_id=tenant_id)

    async def get_tenant_usage(self, request: Request) -> Response:
        """Answer ``GET …/usage``."""
        tenant_id, period = tenant_id_of(request), self._period(request)
        result = await self.handler.get_tenant_usage(tenant_id, period)
        return answer(UsageResponse, result, tenant_id=tenant_id, period=period)

    # Version 2: dashboard, users, resources, settings

    async def get_tenant_stats(self, request: Request) -> Response:
        """Answer ``GET …/stats``."""
        tenant_id, period = tenant_id_of(request), self._period(request)
        result = await self.handler.get_tenant_stats(tenant_id, period)
        return answer(Stats, result, tenant_id=tenant_id, period=period)

    async def get_tenant_costs(self, request: Request) -> Response:
        """Answer ``GET …/stats/costs``."""
        tenant_id, period = tenant_id_of(request), self._period(request)
        result = await self.handler.get_tenant_costs(tenant_id, period)
        return answer(Costs, result, tenant_id=tenant_id, period=period)

    async def get_top_users(self, request: Request) -> Response:
        """Answer ``GET …/stats/top-users``."""
        tenant_id, period = tenant_id_of(request), self._period(request)
        limit = limit_of(request, TOP_LIMIT)
        return answer(TopUsers, await self.handler.get_top_users(tenant_id, period, limit), at_most=limit)

    async def list_users(self, request: Request) -> Response:
        """Answer ``GET …/users``."""
        tenant_id, query = tenant_id_of(request), user_query_of(request)
        return answer(UserPage, await self.handler.list_users(tenant_id, query), at_most=query.limit)

    async def create_user(self, request: Request) -> Response:
        """Answer ``POST …/users``."""
        tenant_id = tenant_id_of(request)
        user = await self.handler.create_user(tenant_id, await self.body(UserCreate, request))
        response = answer(User, user, status=201)
        response.headers["Location"] = f"{quote(request.scope['path'])}/{quote(user.id, safe='')}"
        return response

    async def update_user(self, request: Request) -> Response:
        """Answer ``PUT …/users/{user_id}``."""
        tenant_id, user_id = tenant_id_of(request), user_id_of(request)
        user = await self.handler.update_user(tenant_id, user_id, await self.body(UserUpdate, request))
        return answer(User, user, id=user_id)

    async def delete_user(self, request: Request) -> Response:
        """Answer ``DELETE …/users/{user_id}``."""
        await self.handler.delete_user(tenant_id_of(request), user_id_of(request))
        return Response(status_code=204)

    async def list_resources(self, request: Request, resource_type: str | None = None) -> Response:
        """Answer ``GET …/resources``; ``resource_type`` narrows it to one type, whatever the query says."""
        tenant_id, query = tenant_id_of(request), resource_query_of(request, resource_type)
        return answer(ResourcePage, await self.handler.list_resources(tenant_id, query), at_most=query.limit)

    async def get_settings(self, request: Request) -> Response:
        """Answer ``GET …/settings``."""
        return _settings(await self.handler.get_settings(tenant_id_of(request)))

    async def update_settings(self, request: Request) -> Response:
        """Answer ``PUT …/settings``."""
        tenant_id, version = tenant_id_of(request), expected_version_of(request)
        body = await self.body(SettingsUpdate, request)
        return _settings(await self.handler.update_settings(tenant_id, body, version))

    # Extensions, and discovery

    async def change_plan(self, request: Request) -> Response:
        """Answer ``POST …/plan``."""
        tenant_id = tenant_id_of(request)
        body = await self.body(PlanChangeRequest, request)
        self.refuse_unknown_plan(body.plan)
        result = await self.handler.change_plan(tenant_id, body)
        return self.answer_or_later(
            PlanChangeResponse, result, tenant_id, base_path_of(request, "/tenant/{tenant_id}/plan")
        )

    async def suspend_tenant(self, request: Request) -> Response:
        """Answer ``POST …/suspend``."""
        tenant_id = tenant_id_of(request)
        result = await self.handler.suspend_tenant(tenant_id, await self.body(SuspendRequest, request))
        return answer(TenantStateResponse, result, tenant_id=tenant_id)

    async def resume_tenant(self, request: Request) -> Response:
        """Answer ``POST …/resume``."""
        tenant_id = tenant_id_of(request)
        return answer(TenantStateResponse, await self.handler.resume_tenant(tenant_id), tenant_id=tenant_id)

    async def purge_tenant(self, request: Request) -> Response:
        """Answer ``DELETE /tenant/{tenant_id}``."""
        tenant_id = tenant_id_of(request)
        result = await self.handler.purge_tenant(tenant_id)
        base = base_path_of(request, "/tenant/{tenant_id}")
        return self.answer_or_later(DeletionReceipt, result, tenant_id, base)

    async def export_tenant(self, request: Request) -> Response:
        """Answer ``POST …/export``."""
        result = await self.handler.export_tenant(tenant_id_of(request))
        return accepted(base_path_of(request, "/tenant/{tenant_id}/export"), result)

    async def rotate_credentials(self, request: Request) -> Response:
        """Answer ``POST …/credentials/rotate``."""
        tenant_id = tenant_id_of(request)
        return answer(CredentialsResponse, await self.handler.rotate_credentials(tenant_id), tenant_id=tenant_id)

    async def create_sso_link(self, request: Request) -> Response:
        """Answer ``POST …/sso``."""
        tenant_id = tenant_id_of(request)
        body = await self.body(SsoRequest, request)
        if body.return_to is not None and not _RETURN_TO.fullmatch(body.return_to):
            rule = "it is a path of the service, beginning with one /, or an address on its own host"
            raise InvalidBody(f"return_to: {rule}.", details=[{"path": "return_to", "message": rule}])
        return answer(SsoResponse, await self.handler.create_sso_link(tenant_id, body))

    async def get_operation(self, request: Request) -> Response:
        """Answer ``GET /operations/{operation_id}``."""
        operation_id = operation_id_of(request)
        return _operation(operation_id, await self.handler.get_operation(operation_id))

    async def cancel_operation(self, request: Request) -> Response:
        """Answer ``DELETE /operations/{operation_id}``."""
        operation_id = operation_id_of(request)
        return _operation(operation_id, await self.handler.cancel_operation(operation_id))

    async def list_tenants(self, request: Request) -> Response:
        """Answer ``GET /tenants``."""
        query = page_query_of(request)
        return answer(TenantPage, await self.handler.list_tenants(query), at_most=query.limit)

    async def get_configuration(self, request: Request) -> Response:
        """Answer ``GET /.well-known/mt-configuration``."""
        openapi = getattr(request.app, "openapi_url", None)
        root = request.scope.get("root_path", "")
        configuration = ServiceConfiguration(
            versions=list(self.offer.versions),
            extensions=list(self.offer.extensions),
            endpoints=list(self.offer.endpoints),
            limits=ConfigurationLimits(max_body_bytes=self.terms.max_body_bytes, max_page_limit=MAX_LIMIT),
            keys=ConfigurationKeys(
                header=self.terms.keys.header,
                header_aliases=list(self.terms.keys.aliases),
                accepted=len(self.terms.keys),
            ),
            schemas=ConfigurationSchemas(
                manifest=None if self.terms.manifest_path is None else root + self.terms.manifest_path,
                openapi=None if openapi is None else root + openapi,
            ),
        )
        return answer(ServiceConfiguration, configuration)

    # What several calls share

    def refuse_unknown_plan(self, plan: str) -> None:
        """Raise ``InvalidPlan`` for a plan that the service does not have. Without a manifest nobody knows."""
        plans = self.offer.plans
        if plans and plan not in plans:
            message = f"The service has no plan {plan}; it has {', '.join(plans)}."
            raise InvalidPlan(message, details={"plans": list(plans)})

    async def body(self, model: type[BodyModel], request: Request) -> BodyModel:
        """Return the body as ``model``. Raises ``InvalidBody`` and ``BodyTooLarge``."""
        return await body_of(request, model, self.terms.max_body_bytes)

    def _period(self, request: Request) -> str:
        return period_of(request, self.terms.clock())

    def answer_or_later(self, model: type[ContractModel], result: object, tenant_id: str, base: str) -> Response:
        """Return the answer of a call that may take long: done, or 202 where the service has declared that.

        ``base`` is the path of the router, prefix included.
        """
        if not isinstance(result, OperationAccepted):
            return answer(model, result, tenant_id=tenant_id)
        if not self.offer.answers_later:
            raise TypeError("the handler answers later, and the manifest does not declare async_operations")
        return accepted(base, result)


def _settings(result: SettingsResponse) -> Response:
    response = answer(SettingsResponse, result)
    response.headers.update(with_etag(result))
    return response


def _operation(operation_id: str, result: Operation) -> Response:
    response = answer(Operation, result, operation_id=operation_id)
    if result.status is OperationStatus.IN_PROGRESS:
        response.headers["Retry-After"] = str(math.ceil(result.retry_after or 1))
    return response
