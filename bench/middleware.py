"""What the middleware costs: a bare FastAPI handler, the whole stack, and fastapi-tenancy with the same functions.

Each server is a uvicorn in a process of its own, on uvloop and httptools; the registry of ours is a real PostgreSQL.
Load comes from wrk, or from this file where there is none; the servers have one CPU, and the load the others. Rounds
are short and go in turns, so that what disturbs the machine disturbs all; the best round of each counts, and beside it
stands the median of what each round was of the bare one's. CPU is that of the server's process, in kernel and out of
it, in its best round.

Same functions: an RS256 token is verified, its tenant looked up and refused if it is not open, and the request counted
against the tenant's limit in Redis. fastapi-tenancy runs in an environment of its own, which uv makes.
Usage: ``python bench/middleware.py [rounds] [seconds]``.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, asynccontextmanager
from operator import truediv
from pathlib import Path
from statistics import median
from typing import Any

PEER = "fastapi-tenancy==0.5.0"
PEER_NEEDS = [PEER, "pyjwt[crypto]", "redis[hiredis]>=5,<8", "aiosqlite", "uvicorn[standard]", "fastapi==0.165.0"]
KINDS = {
    "bare": "bare FastAPI handler",
    "stack": "whole stack: access key, limit in memory",
    "current": "… and the handler takes CurrentTenant",
    "token": "whole stack: token, limit in Redis",
    "peer": f"{PEER}: token, limit in Redis",
}
CONNECTIONS = 16
TICKS = os.sysconf("SC_CLK_TCK")
ISSUER, AUDIENCE, TENANT = "https://login.example", "notes", "hallym-univ"
ENOUGH = 1_000_000_000


def main(rounds: int, seconds: float) -> None:
    with ExitStack() as running:
        redis = start_redis(running)
        servers = {}
        for kind, title in KINDS.items():
            try:
                servers[kind] = Server(kind, redis, running)
            except RuntimeError as error:
                print(f"{title} does not run here: {error}")
        apart([server.pid for server in servers.values()])
        for server in servers.values():
            server.warm_up()
        for _ in range(rounds):
            for server in servers.values():
                server.load(seconds)
    bare, peer = servers["bare"], servers.get("peer")
    print(
        f"{rounds} rounds of {seconds:g} s, {CONNECTIONS} connections, Python {sys.version.split()[0]}, "
        f"{os.cpu_count()} CPUs"
    )
    print(f"{'':<44} {'req/s':>8} {'µs CPU':>8} {'of bare':>8} {'median':>8} {'CPU of peer':>12}")
    for kind, server in servers.items():
        of_peer = f"{server.cpu / peer.cpu:12.2f}" if peer is not None and kind in {"token", "peer"} else ""
        rate, usual = max(server.rates), median(map(truediv, server.rates, bare.rates))
        print(f"{KINDS[kind]:<44} {rate:8.0f} {server.cpu:8.1f} {rate / max(bare.rates):8.2f} {usual:8.2f} {of_peer}")


class Server:
    """A server that is running, and what its rounds were."""

    def __init__(self, kind: str, redis: str, running: ExitStack) -> None:
        home = running.enter_context(tempfile.TemporaryDirectory())
        port = free_port()
        command = [sys.executable, __file__, "serve", kind, str(port), redis, home]
        if kind == "peer":
            uv = shutil.which("uv") or str(Path(__file__).parents[1] / ".tools/bin/uv")
            needs = [word for need in PEER_NEEDS for word in ("--with", need)]
            command = [
                uv,
                "run",
                "--no-project",
                "--isolated",
                "--python",
                sys.executable,
                *needs,
                "python",
                *command[1:],
            ]
        log = (Path(home) / "log").open("w+")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)  # noqa: S603 - this file
        running.callback(stop, process)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            log.seek(0)
            raise RuntimeError(log.read()[-2000:])
        ready = json.loads(line)
        self.pid, self.url, self.headers = ready["pid"], f"http://127.0.0.1:{port}/", ready["headers"]
        self.rates: list[float] = []
        self.cpu = float("inf")

    def warm_up(self) -> None:
        """Wait until a round is answered: keys are fetched, scripts loaded, connections made."""
        while not generate(self.url, self.headers, 1.0)[0]:
            pass

    def load(self, seconds: float) -> None:
        """Ask for so many seconds, and keep how fast it was, and the least CPU that a request took."""
        before = cpu_seconds(self.pid)
        done, took = generate(self.url, self.headers, seconds)
        used = cpu_seconds(self.pid) - before
        self.rates.append(done / took)
        self.cpu = min(self.cpu, used / done * 1e6)


def apart(pids: list[int]) -> None:
    """Let the servers have the first CPU, and this process and what it starts from now on the others."""
    first, *others = sorted(os.sched_getaffinity(0))
    if others:
        for pid in pids:
            os.sched_setaffinity(pid, {first})
        os.sched_setaffinity(0, others)


def generate(url: str, headers: dict[str, str], seconds: float) -> tuple[int, float]:
    return (with_wrk if shutil.which("wrk") else with_this_file)(url, headers, seconds)


def with_wrk(url: str, headers: dict[str, str], seconds: float) -> tuple[int, float]:
    """Return how many requests were answered with success, and in how many seconds."""
    told = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(round(seconds), 1)}s", *told, url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own command
    assert "Non-2xx" not in said, said
    done, took, unit = re.search(r"(\d+) requests in ([\d.]+)(s|m)", said).groups()  # type: ignore[union-attr]  # wrk says it
    return int(done), float(took) * (60 if unit == "m" else 1)


def with_this_file(url: str, headers: dict[str, str], seconds: float) -> tuple[int, float]:
    command = [sys.executable, __file__, "load", url, json.dumps(headers), str(seconds)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - this file
    done, took = json.loads(said)
    return done, took


async def load(url: str, headers: dict[str, str], seconds: float) -> None:
    """Ask on some connections for so many seconds, and print how often, and how long it was."""
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    lines = [f"{name}: {value}\r\n" for name, value in {"Host": f"{host}:{port}", **headers}.items()]
    request = f"GET / HTTP/1.1\r\n{''.join(lines)}\r\n".encode()
    begun = time.perf_counter()

    async def ask() -> int:
        reader, writer = await asyncio.open_connection(host, int(port))
        done = 0
        while time.perf_counter() - begun < seconds:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = re.search(rb"content-length: (\d+)", head.lower())
            assert length is not None
            await reader.readexactly(int(length[1]))
            done += 1
        writer.close()
        return done

    done = sum(await asyncio.gather(*[ask() for _ in range(CONNECTIONS)]))
    print(json.dumps([done, time.perf_counter() - begun]))


def serve(kind: str, port: int, redis: str, home: Path) -> None:
    """Serve one kind of app; the headers of its requests are printed when it is ready."""
    import uvicorn

    app = {"bare": bare, "peer": peer}.get(kind, ours)(kind, port, redis, home)
    uvicorn.run(app, port=port, log_level="error", access_log=False, loop="uvloop", http="httptools")


def ready(headers: dict[str, str]) -> None:
    print(json.dumps({"pid": os.getpid(), "headers": headers}), flush=True)


def bare(kind: str, port: int, redis: str, home: Path) -> Any:  # noqa: ARG001 - as the others
    from fastapi import FastAPI

    @asynccontextmanager
    async def lifespan(app: FastAPI):  # noqa: ANN202, ARG001
        ready({"Authorization": f"Bearer mtk_{'0' * 43}"})  # the same request that the whole stack gets
        yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def greet() -> dict[str, str]:
        return {"hello": "world"}

    return app


def ours(kind: str, port: int, redis: str, home: Path) -> Any:
    from fastapi import Depends, FastAPI
    from joserfc import jwt
    from joserfc.jwk import RSAKey
    from mt_paas.setup import current_tenant, setup_multi_tenant
    from mt_paas.testing.doubles import FakeService
    from mt_paas.utils.config import JwtSettings, RateLimitSettings, Settings
    from pydantic import SecretStr

    key = RSAKey.generate_key(2048, {"kid": "1"})

    @asynccontextmanager
    async def lifespan(app: FastAPI):  # noqa: ANN202
        manager = app.state.mt_paas.manager
        await manager.onboard_tenant(TENANT, "Hallym")
        await manager.provision_tenant(TENANT)
        secret = (await manager.access_keys.create(TENANT, name="bench")).secret
        if kind == "token":
            claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "kim", "tenant_id": TENANT, "exp": int(time.time()) + 3600}
            secret = jwt.encode({"alg": "RS256", "kid": "1"}, claims, key)
        ready({"Authorization": f"Bearer {secret}"})
        yield

    app = FastAPI(lifespan=lifespan)
    limits = RateLimitSettings(default=f"{ENOUGH}/minute", storage=SecretStr(redis) if kind == "token" else None)
    tokens = JwtSettings(
        issuer=ISSUER, audience=(AUDIENCE,), jwks_url=f"http://127.0.0.1:{port}/mt-keys", algorithms=("RS256",)
    )
    settings = Settings(
        home=home,
        database_url=None,
        api_keys=(SecretStr("the-markets-key-0123456789"),),
        rate_limit=limits,
        jwt=tokens if kind == "token" else JwtSettings(),
    )
    setup_multi_tenant(
        app, manifest=FakeService(service_id="notes").manifest("http://notes.example"), settings=settings
    )

    if kind == "current":

        @app.get("/")
        async def greet_tenant(tenant: Any = Depends(current_tenant)) -> dict[str, str]:  # noqa: ARG001 - what CurrentTenant is
            return {"hello": "world"}
    else:

        @app.get("/")
        async def greet() -> dict[str, str]:
            return {"hello": "world"}

    @app.get("/mt-keys")
    async def show_keys() -> dict[str, Any]:
        return {"keys": [key.as_dict(private=False)]}

    return app


def peer(kind: str, port: int, redis: str, home: Path) -> Any:  # noqa: ARG001 - as the others
    import jwt
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from fastapi import FastAPI
    from fastapi_tenancy import TenancyConfig, TenancyManager
    from fastapi_tenancy.core.types import Tenant
    from fastapi_tenancy.middleware.tenancy import TenancyMiddleware
    from fastapi_tenancy.storage.memory import InMemoryTenantStore

    key = rsa.generate_private_key(65537, 2048)
    shape = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    config = TenancyConfig(
        database_url=f"sqlite+aiosqlite:///{home}/peer.db",
        resolution_strategy="jwt",
        isolation_strategy="schema",
        jwt_secret=key.public_key().public_bytes(*shape).decode(),
        jwt_algorithm="RS256",
        jwt_audience=AUDIENCE,
        redis_url=redis,
        enable_rate_limiting=True,
        rate_limit_per_minute=10_000,
        rate_limit_window_seconds=1,
    )
    store = InMemoryTenantStore()
    manager = TenancyManager(config, store)

    @asynccontextmanager
    async def lifespan(app: FastAPI):  # noqa: ANN202, ARG001
        await manager.initialize()
        await store.create(Tenant(id=TENANT, identifier=TENANT, name="Hallym"))
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "kim", "tenant_id": TENANT, "exp": int(time.time()) + 3600}
        ready({"Authorization": f"Bearer {jwt.encode(claims, key, 'RS256')}"})
        yield
        await manager.close()

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(TenancyMiddleware, manager=manager)

    @app.get("/")
    async def greet() -> dict[str, str]:
        return {"hello": "world"}

    return app


def start_redis(running: ExitStack) -> str:
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        return os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
    port = free_port()
    command = [program, "--port", str(port), "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - Redis
    running.callback(stop, process)
    assert process.stdout is not None
    while "Ready to accept" not in process.stdout.readline():
        pass
    return f"redis://127.0.0.1:{port}/0"


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], int(sys.argv[3]), sys.argv[4], Path(sys.argv[5]))
    elif sys.argv[1:2] == ["load"]:
        asyncio.run(load(sys.argv[2], json.loads(sys.argv[3]), float(sys.argv[4])))
    else:
        main(int((sys.argv[1:] or ["15"])[0]), float((sys.argv[2:] or ["2"])[0]))
