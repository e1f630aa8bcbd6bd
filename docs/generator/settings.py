"""The page of the settings: every variable that the market and a service read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mt_paas.utils.config import Settings as ServiceSettings
from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo
from service_market.settings import Settings as MarketSettings

from generator.commands import variables_of_commands
from generator.markdown import code, default_of, page, table
from generator.schemas import kind_of

__all__ = ["settings_page"]

#: Variables that no settings class reads, and what they are for.
OTHER_VARIABLES = {
    "MT_PAAS_KEY": "The market's key, for `mt-paas test`, `mt-paas simulate` and the pytest plugin.",
    "MT_PAAS_SECOND_KEY": "A second key that the service accepts, for `mt-paas test` while keys are changed.",
    "MT_POSTGRES_BIN": "Folder of the `initdb` and `postgres` that an embedded server is run with.",
    "MT_TEST_DATABASE_URL": "The PostgreSQL server on which tests make their databases; before `DATABASE_URL`.",
}


def settings_page() -> str:
    """Return every variable that the market and a service read, with its default and its meaning."""
    head = ["variable", "takes", "default", "meaning"]
    of_commands = ", ".join(sorted(variables_of_commands()))
    return page(
        "Settings",
        "Settings come from environment variables. A group's name and a setting's are joined by two underscores.\n",
        "## The market\n",
        table(head, _settings(MarketSettings, "MARKET_", MarketSettings.model_json_schema(by_alias=False))),
        f"The commands that call a market read {of_commands}: see [cli.md](cli.md).\n",
        "## A service on mt_paas\n",
        table(head, _settings(ServiceSettings, "MT_", ServiceSettings.model_json_schema(by_alias=False))),
        "## Read elsewhere\n",
        table(["variable", "meaning"], ([code(name), text] for name, text in OTHER_VARIABLES.items())),
    )


def _settings(model: type[BaseModel], prefix: str, schema: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            group = schema["$defs"][field.annotation.__name__]
            yield from _settings(field.annotation, f"{prefix}{name.upper()}__", {"$defs": schema["$defs"], **group})
            continue
        kind = kind_of(schema["properties"][name], schema["$defs"]).replace("text (password)", "text, kept secret")
        names = ", ".join(map(code, _variables(field, prefix + name.upper())))
        yield [names, kind, default_of(field.get_default(call_default_factory=True)), field.description or ""]


def _variables(field: FieldInfo, name: str) -> list[str]:
    if isinstance(field.validation_alias, AliasChoices):
        return [str(each) for each in field.validation_alias.choices if str(each).isupper()]
    return [name]
