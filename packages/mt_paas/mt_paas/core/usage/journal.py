"""The journal of one process: files to which it appends a line for each count, and what dead processes left.

A line is handed to the operating system before ``append`` returns, so it is there after ``kill -9`` of the process.
Only a machine that loses power loses what it had not written to its disk. A file (a *segment*) has one writer, which
holds a lock on it (``flock``, which ends with the process) until what is in it is written elsewhere and it is removed.
Its name is an id that is given out once: by it the receiver tells a segment that it has taken already.

Nothing here waits for a network, and nothing here knows what a line means.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from uuid import uuid4

__all__ = ["Journal", "Segment"]

_SUFFIX = ".usage"
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
_log = logging.getLogger(__name__)


class Segment:
    """One file of a journal, that this process holds."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @property
    def segment_id(self) -> str:
        """What no other segment is called, in this journal or another."""
        return self.path.stem

    def append(self, line: bytes) -> None:
        """Add a line. Raises ``OSError``; nothing may be added any more after that."""
        if os.write(self._descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @contextmanager
    def lines(self) -> Iterator[Iterator[bytes]]:
        """Open the lines that are in it."""
        with self.path.open("rb") as file:
            yield file

    def remove(self, *, keep: bool = False) -> None:
        """Remove the file, or ``keep`` it under another name for somebody to look at; it is no segment any more.

        It does not come back when the machine loses power.
        """
        if keep:
            self.path.replace(self.path.with_suffix(".strange"))
        else:
            self.path.unlink(missing_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self.release()

    def release(self) -> None:
        """Let go of the file as it is."""
        os.close(self._descriptor)

    def is_empty(self) -> bool:
        """Tell whether nothing was added yet."""
        return os.fstat(self._descriptor).st_size == 0


class Journal:
    """The segments of this process in ``folder``. Any number of threads may append."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._current: Segment | None = None
        self._ended: list[Segment] = []
        self._closed_to_us: set[Path] = set()
        forget = weakref.WeakMethod(self._forget)
        os.register_at_fork(after_in_child=lambda: (method := forget()) is not None and method())

    def append(self, line: bytes) -> None:
        """Write the line down. Raises ``OSError`` when the disk does not take it; then it is not in the journal."""
        with self._lock:
            if self._current is None:
                self._current = self._begin()
            try:
                self._current.append(line)
            except OSError:
                self._end()  # its last line may be half a line, and nothing may follow that
                raise

    def end(self) -> None:
        """End the segment that is written to; the next line begins another."""
        with self._lock:
            self._end()

    def ended(self) -> list[Segment]:
        """Return the segments that nothing is added to any more: what is to be written elsewhere, and then removed.

        Those that dead processes left are among them.
        """
        with self._lock:
            self._ended += self._left_over()
            return list(self._ended)

    def remove(self, segment: Segment, *, keep: bool = False) -> None:
        """Remove a segment that is written elsewhere."""
        segment.remove(keep=keep)
        with self._lock:
            self._ended.remove(segment)

    def close(self) -> None:
        """Let go of everything; what is left is taken up by the next process that has this folder."""
        with self._lock:
            self._end()
            for segment in self._ended:
                segment.release()
            self._ended.clear()

    def _end(self) -> None:
        segment, self._current = self._current, None
        if segment is None:
            return
        if segment.is_empty():
            segment.remove()
        else:
            self._ended.append(segment)

    def _begin(self) -> Segment:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            path = self._folder / f"{uuid4().hex}{_SUFFIX}"
            segment = _hold(path, os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600))
            if segment is not None:  # else another process took the new file for one that was left
                return segment

    def _left_over(self) -> list[Segment]:
        """Return the segments whose processes are gone, held."""
        own = {segment.path for segment in (*self._ended, self._current) if segment is not None}
        found = []
        for path in set(self._folder.glob(f"*{_SUFFIX}")) - own - self._closed_to_us:
            try:
                segment = _hold(path, os.open(path, _FLAGS))
            except FileNotFoundError:  # its process, or the one that took it up, was done with it just now
                continue
            except OSError as error:
                self._closed_to_us.add(path)
                _log.error("the usage in %s can not be opened, and is not counted: %s", path, error)
                continue
            found += [segment] if segment is not None else []
        return found

    def _forget(self) -> None:
        """Leave the segments to the process that this one was forked from, and begin anew."""
        self._lock = Lock()
        for segment in (*self._ended, self._current):
            if segment is not None:
                segment.release()
        self._current, self._ended = None, []


def _hold(path: Path, descriptor: int) -> Segment | None:
    """Return the file as a segment of this process; null when another process has it, or has removed it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:
            return Segment(path, descriptor)
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
