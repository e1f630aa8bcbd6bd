"""The pages of the two command lines, from what Typer knows of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

import typer
from mt_paas.cli.application import app as library_command_line
from mt_paas.cli.exits import EXIT_TABLE as LIBRARY_EXIT_TABLE
from service_market.cli.application import app as command_line
from service_market.cli.exits import EXIT_TABLE

from generator.markdown import code, default_of, page, paragraphs, table

__all__ = ["command_page", "library_command_page", "variables_of_commands"]

#: The options that every command has that calls a market.
COMMON = {"url", "token", "home", "as_json", "lang"}


def command_page() -> str:
    """Return every command of `market` with its arguments and options, and the exit codes."""
    commands = list(_commands(typer.main.get_command(command_line), "market"))
    common = next(command for _, command in commands if _calls_a_market(command)).params
    parts = _exit_codes(EXIT_TABLE)
    parts += ["## Options of every command that calls a market\n"]
    parts += [_options(each for each in common if each.name in COMMON)]
    for name, command in commands:
        parts += _command(name, command, COMMON if _calls_a_market(command) else set())
        if _calls_a_market(command):
            parts.append("And the options of every command that calls a market.\n")
    return page("The command `market`", *parts)


def library_command_page() -> str:
    """Return every command of `mt-paas`, which is for who builds a service, and the exit codes."""
    parts = ["It needs the extra `cli`; `mt-paas simulate` needs `simulator`, which has it.\n"]
    parts += _exit_codes(LIBRARY_EXIT_TABLE)
    for name, command in _commands(typer.main.get_command(library_command_line), "mt-paas"):
        parts += _command(name, command, set())
    return page("The command `mt-paas`", *parts)


def variables_of_commands() -> set[str]:
    """Return the variables that the commands of `market` read, as code."""
    commands = _commands(typer.main.get_command(command_line), "market")
    return {code(each.envvar) for _, command in commands for each in command.params if each.envvar}


def _exit_codes(meanings: Mapping[Any, str]) -> list[str]:
    rows = ([str(int(status)), text] for status, text in meanings.items())
    return ["## Exit codes\n", table(["code", "meaning"], rows)]


def _command(name: str, command: Any, elsewhere: set[str]) -> list[str]:
    """Return what a page says of one command; options that are described ``elsewhere`` are left out."""
    own = [each for each in command.params if each.name not in elsewhere]
    arguments = [each for each in own if each.param_type_name == "argument"]
    options = [each for each in own if each.param_type_name == "option"]
    names = [each.metavar or each.name.upper() for each in arguments]
    parts = [f"## {name}\n", f"`{' '.join([name, *names])} [options]`\n", f"{paragraphs(command.help)}\n"]
    if any(each.help for each in arguments):
        rows = ([code(name), each.help or ""] for name, each in zip(names, arguments, strict=True))
        parts.append(table(["argument", "meaning"], rows))
    if options:
        parts.append(_options(options))
    return parts


def _commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _calls_a_market(command: Any) -> bool:
    return {each.name for each in command.params} >= COMMON


def _options(options: Iterable[Any]) -> str:
    rows = []
    for each in options:
        default = each.show_default if isinstance(each.show_default, str) else default_of(each.default)
        names, needed = ", ".join(map(code, each.opts)), "required" if each.required else default
        rows.append([names, _taken(each), needed, code(each.envvar or ""), each.help or ""])
    return table(["option", "takes", "default", "variable", "meaning"], rows)


def _taken(option: Any) -> str:
    annotation = option.type_descriptor.annotation
    if option.is_flag:
        return ""
    if option.metavar:
        kind = code(option.metavar)
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        kind = " or ".join(code(each.value) for each in annotation)
    else:
        kind = {"str": "text", "int": "number", "Path": "path"}.get(annotation.__name__, annotation.__name__)
    kind += f", at least {option.min}" if option.min is not None else ""
    kind += f", at most {option.max}" if option.max is not None else ""
    return kind + (", repeatable" if option.multiple else "")
