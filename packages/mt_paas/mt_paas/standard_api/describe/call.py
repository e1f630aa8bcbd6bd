"""One call of the Standard API as data: what the router makes a route from, and what OpenAPI says of it."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any

from mt_paas.errors import ContractError, InvalidApiKey
from mt_paas.standard_api.describe.parts import ERROR_HEADERS, REQUEST_ID_EXAMPLE, answer_headers, header_parameters
from mt_paas.standard_api.models import ContractModel, ErrorBody
from mt_paas.standard_api.problem import PROBLEM_TYPE, problem

__all__ = ["Answer", "CallDescription", "Link", "StandardApiError"]


class StandardApiError(ErrorBody):
    """The one error shape of the Standard API: problem details (RFC 9457) with the contract's own members."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where an answer leads: another call, and where that call's parameters come from (OpenAPI, section 4.8.20)."""

    call: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """One success: its status, what it means, and an example, whose class is the answer's model. None: no body."""

    status: int
    meaning: str
    example: ContractModel | None = None
    headers: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDescription:
    """One call of the contract.

    ``call`` is the name of the handler's method, ``path`` follows the prefix. ``since`` is the version that brought
    the call, and ``endpoint`` the manifest's key that declares it. The first of ``answers`` is the usual one. A call
    with a ``successor`` is deprecated: it answers as that one does.
    """

    call: str
    method: str
    path: str
    tag: str
    summary: str
    text: str
    answers: tuple[Answer, ...]
    errors: tuple[type[ContractError], ...]
    endpoint: str = ""
    since: str = "1"
    body: type[ContractModel] | None = None
    parameters: tuple[Mapping[str, Any], ...] = ()
    successor: str = ""
    operation_id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "operation_id", f"mt_{self.call}")

    @property
    def needs_key(self) -> bool:
        """Whether the call is refused without the market's key."""
        return InvalidApiKey in self.errors

    @property
    def pattern(self) -> re.Pattern[str]:
        """The addresses of this call, whoever the tenant."""
        return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(self.path)))

    @property
    def status(self) -> int:
        """The status of the usual answer."""
        return self.answers[0].status

    @property
    def models(self) -> Any:
        """All models of this call as one type: FastAPI puts them among the components, and serializes none of them.

        None for a call whose usual answer has no body, which FastAPI lets have no model.
        """
        examples = [answer.example for answer in self.answers if answer.example is not None]
        if len(examples) < len(self.answers):
            return None
        found: list[Any] = [StandardApiError, *map(type, examples), *([] if self.body is None else [self.body])]
        return reduce(or_, found)

    def responses(self, offered: Container[str]) -> dict[int | str, dict[str, Any]]:
        """Return FastAPI's ``responses``: each success with its example, each error with the words it may carry.

        Links lead to calls that are ``offered`` alone.
        """
        described: dict[int | str, dict[str, Any]] = {
            answer.status: self._success(answer, offered) for answer in self.answers
        }
        for error in (raised() for raised in self.errors):
            place = described.setdefault(
                error.status,
                {
                    "description": "",
                    "headers": answer_headers(ERROR_HEADERS.get(error.status, ()), versioned=False),
                    "content": {
                        PROBLEM_TYPE: {"schema": _schema_of(StandardApiError), "examples": {}},
                        "application/json": {"schema": _schema_of(StandardApiError)},
                    },
                },
            )
            place["description"] += f"`{error.code}`: {error.message}\n\n"
            value = problem(error, REQUEST_ID_EXAMPLE).model_dump(mode="json", exclude_none=True)
            place["content"][PROBLEM_TYPE]["examples"][error.code] = {"value": value}
        described = dict(sorted(described.items(), key=str))
        described["default"] = {
            "description": "Any other error.",
            "headers": answer_headers((), versioned=False),
            "content": {kind: {"schema": _schema_of(StandardApiError)} for kind in (PROBLEM_TYPE, "application/json")},
        }
        return described

    def operation(self, versions: tuple[str, ...], plans: tuple[str, ...]) -> dict[str, Any]:
        """Return what FastAPI can not read off the endpoint, because the router reads the request itself."""
        spoken = tuple(version for version in versions if version >= self.since)
        extra: dict[str, Any] = {
            "parameters": [*map(dict, self.parameters), *header_parameters(spoken if self.needs_key else ())]
        }
        if not self.needs_key:
            extra["security"] = []
        if self.body is not None:
            schema: dict[str, Any] = _schema_of(self.body)
            if plans and "plan" in self.body.model_fields:
                schema["properties"] = {"plan": {"enum": list(plans)}}
            given = self.body.model_config["json_schema_extra"]
            assert isinstance(given, dict)  # noqa: S101 - how the models write their examples
            examples: Any = given["examples"]
            extra["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": schema, "example": examples[0]}},
            }
        return extra

    def _success(self, answer: Answer, offered: Container[str]) -> dict[str, Any]:
        described: dict[str, Any] = {
            "description": answer.meaning,
            "headers": answer_headers(answer.headers, versioned=True),
        }
        if answer.example is not None:
            example = answer.example.model_dump(mode="json", exclude_none=True)
            schema = _schema_of(type(answer.example))
            described["content"] = {"application/json": {"schema": schema, "example": example}}
        links = {
            link.call: {"operationId": f"mt_{link.call}", "parameters": dict(link.parameters)}
            for link in answer.links
            if link.call in offered
        }
        return described | ({"links": links} if links else {})


def _schema_of(model: type[ContractModel]) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
