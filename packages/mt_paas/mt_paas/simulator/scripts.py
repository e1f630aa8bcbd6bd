"""Scripts: one command a line, in a text file or as the list ``steps`` of a YAML file.

A script is a test: it ends with the first command that does not work, unless the line after it expects just that, and
with the first expectation that is not met. At its end every answer must have been what the contract says. What stands
under the line ``finally:``, or is the list of that name in YAML, is carried out in any case, to its last step.
``{run}`` stands for a word that is new in every run: a tenant's id is given out once.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mt_paas.errors import ConfigurationError
from mt_paas.simulator.commands import COMMANDS, CommandError, Outcome, Session
from mt_paas.simulator.commands.grammar import parse
from mt_paas.simulator.journal import Level

if TYPE_CHECKING:
    from mt_paas.standard_api.manifest.tree import Node

__all__ = ["Script", "Step", "read_script", "run_script"]

_MAX_BYTES = 256 * 1024
_FINALLY = "finally:"
_Line: TypeAlias = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a script that is a command."""

    number: int
    line: str


@dataclass(frozen=True, slots=True)
class Script:
    """A script that was read: every line is a command. ``last`` is what is done in any case, when ``steps`` are."""

    source: str
    steps: tuple[Step, ...]
    last: tuple[Step, ...] = ()


def read_script(path: str | Path, *, run: str | None = None) -> Script:
    """Return the script in a file. Raises ``ConfigurationError`` with every line that is no command.

    ``run`` is what ``{run}`` stands for; by default six characters by chance.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        whole = raw.decode("utf-8")
    except OSError as error:
        raise ConfigurationError(f"the script {path} can not be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"the script {path} is not UTF-8 text") from None
    if len(raw) > _MAX_BYTES:
        raise ConfigurationError(f"the script {path} is larger than {_MAX_BYTES // 1024} KiB")
    first, last = _yaml_lines(whole, path) if path.suffix in {".yaml", ".yml"} else _text_lines(whole)
    run = run or secrets.token_hex(3)
    steps, faults = _steps(first, path, run)
    if not steps and not faults:
        faults.append(f"{path}: there is no command in it")
    if last is None:
        last_steps: list[Step] = []
    else:
        last_steps, more = _steps(last, path, run)
        faults += more if last_steps or more else [f"{path}: there is no command under {_FINALLY}"]
    if faults:
        raise ConfigurationError("\n".join(faults))
    return Script(str(path), tuple(steps), tuple(last_steps))


def _steps(lines: list[_Line], path: Path, run: str) -> tuple[list[Step], list[str]]:
    """Return the lines that are commands as steps, and what is wrong with the others."""
    steps, faults = [], []
    for number, text in lines:
        line = text.replace("{run}", run)
        try:
            words = parse(line)
        except CommandError as error:
            faults.append(f"{path}:{number}: {error}")
            continue
        if words is not None and words.name not in COMMANDS:
            faults.append(f"{path}:{number}: there is no command {words.name!r}; there are {', '.join(COMMANDS)}")
        elif words is not None:
            steps.append(Step(number, line.strip()))
    return steps, faults


def _text_lines(text: str) -> tuple[list[_Line], list[_Line] | None]:
    """Return the lines before ``finally:`` and those after it; None where there is no such line."""
    lines = list(enumerate(text.splitlines(), 1))
    for place, (_, line) in enumerate(lines):
        if line.partition("#")[0].strip() == _FINALLY:
            return lines[:place], lines[place + 1 :]
    return lines, None


def _yaml_lines(text: str, path: Path) -> tuple[list[_Line], list[_Line] | None]:
    """Return the items of ``steps`` and of ``finally``; a file that is nothing but a list is read as the former."""
    from mt_paas.standard_api.manifest.reader import read

    shift = 0
    if any(line.startswith("- ") for line in text.splitlines()) and "steps:" not in text:
        text, shift = f"steps:\n{text}", 1
    root, faults = read(text)
    if faults or root is None:
        raise ConfigurationError("\n".join(f"{path}:{fault.line - shift}: {fault.message}" for fault in faults))
    if "steps" not in root.items or not set(root.items) <= {"steps", "finally"}:
        raise ConfigurationError(
            f"{path}: a script in YAML is a list of commands, by itself or under steps; another may be under finally"
        )
    last = root.items.get("finally")
    return _items(root.items["steps"], path, shift), None if last is None else _items(last, path, shift)


def _items(listed: Node, path: Path, shift: int) -> list[_Line]:
    from mt_paas.standard_api.manifest.tree import Scalar, Sequence

    if not isinstance(listed, Sequence):
        raise ConfigurationError(f"{path}:{listed.place.line - shift}: this is no list of commands")
    lines = []
    for item in listed.items:
        if not isinstance(item, Scalar):
            raise ConfigurationError(f"{path}:{item.place.line - shift}: a step is one line of text; put it in quotes")
        lines.append((item.place.line - shift, item.text))
    return lines


async def run_script(session: Session, script: Script) -> bool:
    """Carry a script out, and return whether all was as it says. What it has under ``finally:`` is done in any case."""
    journal = session.market.journal
    is_right = False
    try:
        is_right = await _run(session, script.source, script.steps)
    finally:  # also when the run is interrupted
        if script.last:
            journal.note(Level.INFO, f"{script.source}: {_FINALLY}")
            is_right = await _run(session, script.source, script.last, goes_on=True) and is_right
    if not is_right:
        return False
    if session.market.faults:
        many = session.market.faults
        text = "answer was" if many == 1 else "answers were"
        journal.note(Level.WRONG, f"{script.source}: {many} {text} not what the contract says; see above")
        return False
    journal.note(Level.GOOD, f"{script.source}: all {len(script.steps) + len(script.last)} steps as they should be")
    return True


async def _run(session: Session, source: str, steps: tuple[Step, ...], *, goes_on: bool = False) -> bool:
    """Carry steps out, up to the first that fails unless it ``goes_on``; return whether all were as they should be."""
    journal = session.market.journal
    is_right = True
    for step, following in zip(steps, (*steps[1:], None), strict=True):
        journal.note(Level.INFO, f"{source}:{step.number}: {step.line}")
        outcome = await session.run(step.line)
        if outcome is None:
            continue
        journal.note(Level.GOOD if outcome.is_ok else Level.REFUSED, outcome.text, tenant_id=outcome.tenant_id)
        if outcome.is_ok or (following is not None and _awaits_refusal(following) and _is_answer(step, outcome)):
            continue
        journal.note(Level.WRONG, f"{source}:{step.number}: {step.line}: {outcome.text}")
        is_right = False
        if not goes_on:
            break
    return is_right


def _awaits_refusal(step: Step) -> bool:
    return step.line.lower().startswith(("expect refused", "expect http"))


def _is_answer(step: Step, outcome: Outcome) -> bool:
    """Return whether a step that did not work was a call, and not an expectation or a line that is none."""
    return not step.line.lower().startswith("expect") and not outcome.is_usage
