"""The page of the errors: of the contract, of calls to services, and of the market's API."""

from __future__ import annotations

from collections.abc import Iterable

from mt_paas.errors import ServiceCallError
from mt_paas.standard_api import error_registry
from service_market.core.errors import MarketError
from service_market.core.errors import registry as market_errors
from service_market.rooms.provisioning.service.saga import ServiceLied

from generator.markdown import code, page, table

__all__ = ["error_page"]

#: Errors of the market's API that no class of its own stands for (core/problems.py): status, word, retryable, message.
OTHER_ERRORS = [
    (405, "method_not_allowed", False, "This address is there, but not for this method."),
    (409, "illegal_transition", False, "A state machine has no such step; the message says which there are."),
    (500, "internal_error", True, "The market broke while it answered; the request id leads to its log."),
]


def error_page() -> str:
    """Return every error word: of the contract, of calls to services, and of the market's API."""
    own: list[type[ServiceCallError]] = [ServiceCallError, *ServiceCallError.__subclasses__()]
    calls = [each for each in own if each.__module__ == ServiceCallError.__module__ or each is ServiceLied]
    market = {(each.status, each.code, each.retryable, _first(each)) for each in market_errors()}
    market -= {(MarketError.status, MarketError.code, MarketError.retryable, _first(MarketError))}
    contract = ((each.status, each.code, each.retryable, each.message) for each in error_registry().values())
    return page(
        "Errors",
        "An error is `application/problem+json` (RFC 9457) that also carries `error`, `message`, `request_id`,",
        "`retryable` and, where there is more to say, `details`. `error` is a stable word to program by.\n",
        "## The Standard API\n",
        "What a service answers. `mt_paas.errors` has a class for each.\n",
        _words(contract),
        "## Calls to services\n",
        "The `error.code` of a failed operation, and what `StandardAPIClient` and `MarketplaceClient` raise. Retry can",
        "help where the same call alone may work later. The market tries an operation again after others too: after",
        "each that leaves open whether the service did what it was asked, such as `service_answer_invalid`. Only",
        "`address_not_allowed`, and a `service_refused` that is not `retryable`, end it at once.\n",
        table(
            ["code", "class", "retry can help", "meaning"],
            [
                *([code(each.code), code(each.__name__), _yes(each.retryable), _first(each)] for each in calls),
                ["`key_unreadable`", "", "no", "The service's key can not be opened: the secret key is another."],
                ["`deadline_passed`", "", "no", "The operation's time was over before a step succeeded."],
            ],
        ),
        "## The market's API\n",
        _words(sorted([*market, *OTHER_ERRORS])),
    )


def _words(errors: Iterable[tuple[int, str, bool, str]]) -> str:
    rows = ([str(status), code(word), _yes(retryable), text] for status, word, retryable, text in errors)
    return table(["status", "error", "retry can help", "message"], rows)


def _yes(value: bool) -> str:  # noqa: FBT001 - a truth value, in words
    return "yes" if value else "no"


def _first(error: type[Exception]) -> str:
    return (error.__doc__ or "").strip().splitlines()[0]
