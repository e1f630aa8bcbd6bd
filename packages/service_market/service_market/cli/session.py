"""What every command that talks to a market has in common: its options, its session, how it is registered."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from service_market.cli import text
from service_market.cli.remote import Remote
from service_market.cli.screen import Column, Screen

__all__ = ["DEFAULT_URL", "LangOption", "Limit", "NoWait", "Session", "listed", "market_command"]

DEFAULT_URL = "http://127.0.0.1:8505"


def _speak(lang: text.Language | None) -> None:
    text.speak(lang)


LangOption = Annotated[
    text.Language | None,
    typer.Option(
        "--lang",
        envvar="MARKET_LANG",
        callback=_speak,
        is_eager=True,
        show_default="of LC_ALL or LANG",
        help="Language of what is said.",
    ),
]
UrlOption = Annotated[str, typer.Option("--url", envvar="MARKET_URL", help="Where the market is.")]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="MARKET_TOKEN",
        help="API token; better given by the environment than on a command line that others can see.",
        show_default="operator.token in the home",
    ),
]
HomeOption = Annotated[
    Path,
    typer.Option("--home", envvar="MARKET_HOME", help="Folder of a market on this machine."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the API's data as JSON and nothing else.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for the work to end.")]

Limit = Annotated[int, typer.Option(min=0, help="How many to show at most; 0 shows all.")]


@dataclass(frozen=True)
class Session:
    """A command's market and its screen."""

    market: Remote
    screen: Screen


def listed(session: Session, where: str, columns: Sequence[Column], limit: int, **query: Any) -> None:
    """Show the list at ``where``, and say when there is more of it than is shown."""
    rows, total = session.market.list(where, limit=limit, **query)
    session.screen.rows(rows, columns)
    if len(rows) < total:
        session.screen.say(text.SHOWN_OF(shown=len(rows), total=total))


def market_command(app: typer.Typer, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as the command ``name`` of ``app``; its :class:`Session` comes from the common options."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        def run(
            *, url: str, token: str | None, home: Path, as_json: bool, lang: text.Language | None, **own: Any
        ) -> None:
            del lang  # its callback has set the language
            with Remote(url, token, home) as market:
                function(Session(market, Screen(as_json=as_json)), **own)

        run.__doc__ = function.__doc__
        parameters = [*_parameters(function)[1:], *_parameters(_common)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what Typer reads
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(name)(run)
        return function

    return register


def _common(
    *,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = None,
    home: HomeOption = Path(".market"),
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Carry the options that every command of a market has."""


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(function, include_extras=True)
    return [
        each.replace(annotation=hints[each.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for each in inspect.signature(function).parameters.values()
    ]
