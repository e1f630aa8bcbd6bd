"""The terminal: the log as lines for people or as JSON, and a prompt that the log does not write into."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, TextIO

from mt_paas.simulator.journal import Entry, Journal, Kind, Level

__all__ = ["Prompt", "Screen"]

_PROMPT = "market> "
_MARKS = {
    Level.PENDING: (" ", ""),
    Level.INFO: ("·", "2"),
    Level.GOOD: ("✓", "32"),
    Level.REFUSED: ("–", "33"),
    Level.WARNING: ("!", "33"),
    Level.WRONG: ("✗", "31"),
    Level.ALERT: ("!", "1;31"),
}
_CLEAR_LINE = "\r\x1b[K"


class Screen:
    """Writes to ``stream``; in colour where that is a terminal and nobody set ``NO_COLOR``."""

    def __init__(self, stream: TextIO | None = None, *, as_json: bool = False) -> None:
        self._stream = stream or sys.stdout
        self._as_json = as_json
        self._in_colour = not as_json and self._stream.isatty() and not os.environ.get("NO_COLOR")
        self._typed: Callable[[], str] | None = None
        self._shown = 0
        self._showing = asyncio.Condition()

    @contextmanager
    def prompting(self, typed: Callable[[], str]) -> Iterator[None]:
        """Put the prompt, and what was ``typed`` there so far, back after each line that is written."""
        self._typed = typed
        try:
            yield
        except BaseException:  # the line will not be finished
            self._stream.write(_CLEAR_LINE)
            raise
        finally:
            self._typed = None

    async def follow(self, journal: Journal) -> None:
        """Show every entry of the journal, until it is closed."""
        async for entry in journal.follow():
            self.show(entry)
            async with self._showing:
                self._shown = entry.sequence
                self._showing.notify_all()

    async def caught_up(self, journal: Journal) -> None:
        """Wait until all that the journal holds has been shown."""
        async with self._showing:
            await self._showing.wait_for(lambda: self._shown >= journal.last)

    def show(self, entry: Entry) -> None:
        """Show one entry: a call when it has been judged, and one about health only where it is wrong."""
        is_routine = entry.kind is Kind.CALL and entry.facts["call"] == "health" and entry.level is not Level.WRONG
        if entry.level is Level.PENDING or (is_routine and not self._as_json):
            return
        if self._as_json:
            self._write(json.dumps(entry.as_dict(), ensure_ascii=False))
            return
        mark, colour = _MARKS[entry.level]
        lines = list(_lines(entry))
        text = f"{entry.at.astimezone():%H:%M:%S} {self._painted(mark, colour)} {self._painted(lines[0], _tone(entry))}"
        for line in lines[1:]:
            text += f"\n           {self._painted(line, colour)}"
        self._write(text)

    def say(self, text: str) -> None:
        """Say something to people; nothing where the output is for programs."""
        if not self._as_json:
            self._write(text)

    def tell(self, facts: Mapping[str, Any]) -> None:
        """Tell programs something; nothing where the output is for people."""
        if self._as_json:
            self._write(json.dumps(facts, ensure_ascii=False))

    def _write(self, text: str) -> None:
        if self._typed is None:
            self._stream.write(f"{text}\n")
        else:
            self._stream.write(f"{_CLEAR_LINE}{text}\n{_PROMPT}{self._typed()}")
        self._stream.flush()

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if colour and self._in_colour else text


def _tone(entry: Entry) -> str:
    """Return the colour of an entry's first line: that of its mark, unless it is the plain line of a call."""
    return "" if entry.kind is Kind.CALL else _MARKS[entry.level][1]


def _lines(entry: Entry) -> Iterator[str]:
    if entry.kind is not Kind.CALL:
        yield from entry.text.splitlines() or [""]
        return
    status = entry.facts["status"] or "—"
    yield f"{entry.text:<64} {status:>4} {entry.facts['milliseconds']:>8.0f} ms"
    if entry.facts["says"]:
        prefix = "not what the contract says: " if entry.level is Level.WRONG else ""
        yield f"{prefix}{entry.facts['says']}"


class Prompt:
    """Reads commands from the terminal in a thread of its own, with history and completion where readline is there."""

    def __init__(self, words: Callable[[], Iterable[str]]) -> None:
        self._words = words
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._wanted = threading.Semaphore(0)
        self._readline = _readline()
        self._loop = asyncio.get_running_loop()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Keep the terminal ready; at the end it is as it was, also in the middle of a line."""
        import termios

        before = termios.tcgetattr(sys.stdin.fileno())
        if self._readline is not None:
            self._readline.set_completer(self._complete)
            self._readline.parse_and_bind("tab: complete")
            self._readline.set_completer_delims(" ")
        threading.Thread(target=self._read, name="prompt", daemon=True).start()
        try:
            yield
        finally:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)

    async def line(self) -> str | None:
        """Return the next line; None when there will be no more."""
        self._wanted.release()
        return await self._lines.get()

    def typed(self) -> str:
        """Return what stands in the line that is being typed."""
        return self._readline.get_line_buffer() if self._readline is not None else ""

    def _read(self) -> None:
        while True:
            self._wanted.acquire()
            try:
                line: str | None = input(_PROMPT)
            except EOFError:
                line = None
            try:
                self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
            except RuntimeError:  # the run has ended meanwhile
                return
            if line is None:
                return

    def _complete(self, text: str, state: int) -> str | None:
        fitting = [word for word in self._words() if word.startswith(text)]
        return f"{fitting[state]} " if state < len(fitting) else None


def _readline() -> ModuleType | None:
    try:
        return import_module("readline")
    except ImportError:
        return None
