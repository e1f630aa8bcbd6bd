from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from mt_paas.core.usage.journal import Journal, _hold


def lines_of(journal: Journal) -> list[bytes]:
    """What is in the journal and was left by others."""
    journal.end()
    found: list[bytes] = []
    for segment in journal.ended():
        with segment.lines() as lines:
            found += lines
    return found


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "usage"


@pytest.fixture
def new_journal(folder):
    """Make a journal: each is what another process would have."""
    made: list[Journal] = []

    def make() -> Journal:
        made.append(Journal(folder))
        return made[-1]

    yield make
    for journal in made:
        journal.close()


@pytest.fixture
def journal(new_journal) -> Journal:
    return new_journal()


class TestJournal:
    def test_makes_no_file_before_there_is_something_to_write(self, journal, folder):
        assert lines_of(journal) == []
        assert not folder.exists()

    def test_is_for_this_user_alone(self, journal, folder):
        journal.append(b"one\n")

        (path,) = folder.iterdir()
        assert (folder.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)

    def test_a_line_is_in_the_file_when_append_returns(self, journal, folder):
        journal.append(b"one\n")

        (path,) = folder.iterdir()
        assert path.read_bytes() == b"one\n"

    def test_lines_of_many_threads_are_whole(self, journal):
        wanted = [f"{number} {'x' * (number % 50)}\n".encode() for number in range(2000)]
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(journal.append, wanted))

        assert sorted(lines_of(journal)) == sorted(wanted)

    def test_what_was_written_elsewhere_is_gone(self, journal, folder):
        journal.append(b"one\n")
        journal.end()
        for segment in journal.ended():
            journal.remove(segment)

        assert (lines_of(journal), list(folder.iterdir())) == ([], [])

    def test_writes_again_after_its_folder_was_removed(self, journal, folder):
        journal.append(b"one\n")
        journal.end()
        for segment in journal.ended():
            journal.remove(segment)
        folder.rmdir()

        journal.append(b"two\n")

        assert lines_of(journal) == [b"two\n"]


class TestLeftOver:
    def test_of_a_process_that_is_gone_is_taken_up(self, journal, new_journal):
        other = new_journal()
        other.append(b"of another\n")
        other.close()

        assert lines_of(journal) == [b"of another\n"]

    def test_nothing_is_taken_from_a_process_that_lives(self, journal, new_journal):
        other = new_journal()
        other.append(b"being written\n")
        other.end()
        other.append(b"and more\n")

        assert lines_of(journal) == []
        assert sorted(lines_of(other)) == [b"and more\n", b"being written\n"]

    def test_is_taken_up_by_one_of_many(self, new_journal):
        for number in range(20):
            dead = new_journal()
            dead.append(f"{number}\n".encode())
            dead.close()
        living = [new_journal() for _ in range(4)]
        with ThreadPoolExecutor(4) as threads:
            taken = [line for lines in threads.map(lines_of, living) for line in lines]

        assert sorted(taken) == sorted(f"{number}\n".encode() for number in range(20))

    def test_that_another_was_done_with_meanwhile_is_left_alone(self, folder):
        folder.mkdir()
        path = folder / "0123.usage"
        path.write_text("counted already\n")
        opened = os.open(path, os.O_RDWR)
        path.unlink()

        assert _hold(path, opened) is None

    def test_that_can_not_be_opened_stops_nothing_and_is_told_once(self, journal, folder, caplog):
        folder.mkdir()
        (folder / "0123.usage").symlink_to(folder / "0123.usage")
        journal.append(b"one\n")

        assert [lines_of(journal), lines_of(journal)] == [[b"one\n"], [b"one\n"]]
        assert [record.message for record in caplog.records if "0123.usage can not be opened" in record.message] == [
            caplog.records[0].message
        ]


class TestForkedProcess:
    def test_writes_a_file_of_its_own(self, journal, folder):
        journal.append(b"parent\n")
        child = os.fork()
        if not child:
            journal.append(b"child\n")
            os._exit(0)
        os.waitpid(child, 0)

        assert sorted(path.read_bytes() for path in folder.iterdir()) == [b"child\n", b"parent\n"]
        assert sorted(lines_of(journal)) == [b"child\n", b"parent\n"]
