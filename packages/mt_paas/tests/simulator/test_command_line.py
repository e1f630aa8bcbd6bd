"""``mt-paas simulate`` as a program: its exit codes, its ends, and its prompt on a real terminal."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import socket
import sys

import pytest

COMMAND = [sys.executable, "-m", "mt_paas", "simulate"]


@pytest.fixture
def start(base_url, service):
    async def begin(*options: str, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE):
        own = ["--target", base_url, "--port", "0", "--seed", "1"]
        return await asyncio.create_subprocess_exec(
            *COMMAND,
            *own,
            *options,
            stdin=stdin,
            stdout=stdout,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"MT_PAAS_KEY": service.api_key, "TERM": "dumb"},
        )

    return begin


@pytest.fixture
def script(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "smoke.txt"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


class TestExitCodes:
    async def test_0_when_a_script_passes(self, start, script, service):
        process = await start("--script", script("activate hallym_univ premium\nexpect status active\n"))
        out, err = await process.communicate()
        assert (process.returncode, err) == (0, b"")
        assert "all 2 steps as they should be" in out.decode()
        assert "  hallym_univ  active" in out.decode()
        assert service.api_key not in out.decode()

    async def test_1_when_an_expectation_is_not_met(self, start, script):
        process = await start("--script", script("activate hallym_univ\nexpect status suspended\n"))
        out, _ = await process.communicate()
        assert process.returncode == 1
        assert "smoke.txt:2: expect status suspended: expected hallym_univ to be suspended" in out.decode()

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--script", "/nowhere/smoke.txt"], "can not be read"),
            (["--manifest", "/nowhere/manifest.yaml"], "can not be read"),
            (["--target", "localhost"], "no address of a service"),
        ],
    )
    async def test_2_when_it_can_not_begin(self, start, options, said):
        process = await start(*options)
        _, err = await process.communicate()
        assert process.returncode == 2
        assert said in err.decode()

    async def test_2_when_the_port_is_taken(self, start):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            process = await start("--port", str(listener.getsockname()[1]))
            _, err = await process.communicate()
        assert process.returncode == 2
        assert "take another with --port" in err.decode()

    async def test_2_when_a_script_meets_a_faulty_manifest(self, start, script, tmp_path):
        manifest = tmp_path / "manifest.yaml"
        manifest.write_text('version: "1.0"\n', encoding="utf-8")
        process = await start("--manifest", str(manifest), "--script", script("health\n"))
        out, err = await process.communicate()
        assert (process.returncode, out) == (2, b"")
        assert f"{manifest}:1:1: service: is missing" in err.decode()

    async def test_2_at_once_when_nothing_answers_a_script(self, start, script):
        process = await start("--target", "http://127.0.0.1:1", "--script", script("health\n"))
        out, err = await process.communicate()
        assert (process.returncode, out) == (2, b"")
        assert err.decode().startswith("mt-paas: nothing answers at http://127.0.0.1:1 (no connection: ")
        assert len(err.decode().splitlines()) == 1

    async def test_2_at_once_when_the_service_refuses_the_key(self, start, script):
        process = await start("--key", "of-another-market", "--script", script("health\n"))
        out, err = await process.communicate()
        assert (process.returncode, out) == (2, b"")
        assert err.decode() == (
            "mt-paas: the service refuses this key: it answered 401 invalid_api_key to the key in the header"
            " X-Market-API-Key. Is it one of the market's keys in the settings of the service?"
            " The script was not begun\n"
        )


class TestEnding:
    async def test_a_key_that_is_refused_is_told_before_a_command_is_given(self, start):
        process = await start("--key", "of-another-market")
        while b"the service refuses this key" not in (line := await process.stdout.readline()):
            assert line, "it ended without a word of it"
        process.send_signal(signal.SIGINT)
        await process.communicate()
        assert process.returncode == 0
        assert b"of-another-market" not in line

    async def test_where_is_no_terminal_it_says_where_commands_come_from(self, start):
        process = await start()
        while b"no prompt" not in (line := await process.stdout.readline()):
            assert line, "it ended without a word of it"
        process.send_signal(signal.SIGINT)
        await process.communicate()
        assert process.returncode == 0
        assert "--script (/dev/stdin takes a pipe)" in line.decode()

    async def test_a_tenant_that_was_taken_over_is_no_doubtful_one(self, start, script, service):
        await (await start("--script", script("activate hallym_univ premium\n"))).communicate()
        out, _ = await (await start("--script", script("status hallym_univ\n"))).communicate()
        assert "  hallym_univ  active\n" in out.decode()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    async def test_a_signal_ends_it_cleanly_and_it_says_what_is_left(self, start, service, number):
        process = await start("--json")
        url = await _url(process)
        await _command(url, "activate hallym_univ premium")
        process.send_signal(number)
        out, err = await process.communicate()
        assert (process.returncode, err.decode()) == (0, "")
        last = json.loads(out.decode().splitlines()[-1])
        assert last["left"] == [{"tenant_id": "hallym_univ", "state": "active"}]

    async def test_a_script_that_is_interrupted_has_not_passed(self, start, script, service):
        process = await start("--script", script("activate hallym_univ\nwait 1h\n"))
        await service.wait_for("status")
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
        assert (process.returncode, err) == (130, b"")
        assert "hallym_univ" in out.decode().partition("Left at the service")[2]

    async def test_what_is_to_be_done_in_any_case_is_done_when_it_is_interrupted(self, start, script, service):
        process = await start("--script", script("activate hallym_univ\nwait 1h\nfinally:\nclean\n"))
        await service.wait_for("status")
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
        assert (process.returncode, err) == (130, b"")
        assert "Left at the service" not in out.decode()
        assert service.tenants == {}

    async def test_a_silent_service_does_not_keep_it(self, start, service):
        from mt_paas.testing.doubles import silent

        process = await start("--json")
        url = await _url(process)
        service.behave(silent, on="activate")
        asking = asyncio.create_task(_command(url, "activate hallym_univ"))
        await service.wait_for("activate")
        process.send_signal(signal.SIGINT)
        await process.communicate()
        assert process.returncode == 0
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


class TestPrompt:
    async def test_commands_are_typed_answered_and_the_terminal_is_given_back(self, start, service):
        import termios

        ours, theirs = pty.openpty()
        before = termios.tcgetattr(theirs)
        process = await start(stdin=theirs, stdout=theirs)
        terminal = _Terminal(ours)
        await terminal.until("market> ")
        terminal.type("activate hallym_univ premium\n")
        await terminal.until("set-up link: http")
        assert service.tenants["hallym_univ"].request.plan == "premium"
        terminal.type("usgae hallym_univ\n")
        await terminal.until("did you mean usage?")
        terminal.type("half a li")
        await terminal.until("half a li")
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
        assert termios.tcgetattr(theirs)[3] == before[3]
        os.close(theirs)
        terminal.close()


class _Terminal:
    """The developer's end of a terminal."""

    def __init__(self, end: int) -> None:
        self._end = end
        self._shown = ""
        self._came = asyncio.Event()
        asyncio.get_running_loop().add_reader(end, self._read)

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    async def until(self, text: str) -> None:
        async with asyncio.timeout(30):
            while text not in self._shown:
                self._came.clear()
                await self._came.wait()
        self._shown = self._shown.partition(text)[2]

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._end)
        os.close(self._end)

    def _read(self) -> None:
        try:
            self._shown += os.read(self._end, 65536).decode(errors="replace")
        except OSError:  # the other end was closed
            asyncio.get_running_loop().remove_reader(self._end)
        self._came.set()


async def _url(process) -> str:
    line = json.loads(await process.stdout.readline())
    return line["url"]


async def _command(url: str, command: str) -> dict:
    import httpx2

    async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
        return (await client.post(f"{url}/simulator/commands", json={"command": command})).json()
