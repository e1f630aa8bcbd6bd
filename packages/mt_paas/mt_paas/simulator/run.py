"""One run of the simulator: the market, its page, its log and its commands, from the first line to the last."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field

from mt_paas.errors import ConfigurationError
from mt_paas.simulator.commands import COMMANDS, Session
from mt_paas.simulator.health import HealthWatch
from mt_paas.simulator.incoming import Inbox
from mt_paas.simulator.journal import Level
from mt_paas.simulator.knobs import Knobs
from mt_paas.simulator.market import Market
from mt_paas.simulator.registration import Registration, key_refusal, register
from mt_paas.simulator.scripts import Script, read_script, run_script
from mt_paas.simulator.serving import Server, listen
from mt_paas.simulator.terminal import Prompt, Screen
from mt_paas.simulator.web.app import create_app

__all__ = ["Options", "Simulation", "simulate", "simulation"]

DONE, FAILED, INTERRUPTED = 0, 1, 130
_NO_PROMPT = "no prompt: this is no terminal; give commands on the page, or by --script (/dev/stdin takes a pipe)"


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is told. ``port`` 0 takes a free one; times are in seconds."""

    target: str
    key: str = field(repr=False)
    manifest: str | None = None
    host: str = "127.0.0.1"
    port: int = 8505
    public_url: str | None = None
    script: str | None = None
    knobs: Knobs = field(default_factory=Knobs)
    seed: int | None = None
    health_every: float = 60.0
    timeout: float = 10.0
    token: str | None = field(default=None, repr=False)
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Simulation:
    """A run that is up: where, and what carries out its commands."""

    url: str
    token: str = field(repr=False)
    session: Session

    @property
    def market(self) -> Market:
        """The simulated market."""
        return self.session.market


@asynccontextmanager
async def simulation(options: Options) -> AsyncIterator[Simulation]:
    """Run a simulator in this event loop, without a terminal, for as long as the context lasts.

    Raises ``ConfigurationError`` where it can not begin: no address, a port that is taken, a file that can not be read.
    """
    listener = listen(options.host, options.port)
    with listener:
        host, port = listener.getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        public = (options.public_url or url).rstrip("/")
        token = options.token or f"mtp_{secrets.token_urlsafe(24)}"

        async def registers() -> Registration:
            return await register(options.target, options.key, manifest=options.manifest)

        market = Market(
            await registers(),
            options.key,
            events_url=f"{public}/api/v1/events",
            knobs=options.knobs,
            seed=secrets.randbelow(10_000) if options.seed is None else options.seed,
            timeout=options.timeout,
        )
        health = HealthWatch(market, every=options.health_every)
        session = Session(market, Inbox(market, token=token), health, registers)
        async with market:
            server = Server(create_app(session))
            tasks = [asyncio.create_task(server.serve(sockets=[listener])), asyncio.create_task(health.run())]
            try:
                yield Simulation(url, token, session)
            finally:
                market.journal.close()
                server.should_exit = True
                tasks[1].cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


def simulate(options: Options) -> int:
    """Run a simulator with a terminal until it is ended, and return the exit code."""
    script = None if options.script is None else read_script(options.script)
    return asyncio.run(_simulate(options, script))


async def _simulate(options: Options, script: Script | None) -> int:
    screen = Screen(as_json=options.as_json)
    told_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told_to_end.set)
    async with simulation(options) as run:
        if script is not None:
            _require_usable(run.market.registration)
        if refusal := await key_refusal(run.market.registration, options.key):
            if script is not None:
                raise ConfigurationError(f"{refusal} The script was not begun")
            run.market.journal.note(Level.WARNING, refusal)
        _introduce(screen, run)
        if script is None and not options.as_json and not sys.stdin.isatty():
            screen.say(_NO_PROMPT)
        showing = asyncio.create_task(screen.follow(run.market.journal))
        working = asyncio.create_task(_work(screen, run, script, is_interactive=_is_interactive(options)))
        ending = asyncio.create_task(told_to_end.wait())
        await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
        code = working.result() if working.done() else INTERRUPTED if script else DONE
        for task in (working, ending):
            task.cancel()
        await asyncio.gather(working, ending, return_exceptions=True)
        run.market.journal.close()
        await showing
        _take_leave(screen, run.market)
        return code


def _require_usable(registration: Registration) -> None:
    """Raise ``ConfigurationError`` where a script could do nothing: nobody is there to mend the service meanwhile."""
    if registration.manifest is None:
        faults = "".join(f"\n  {fault}" for fault in registration.faults)
        raise ConfigurationError(f"{registration.trouble}: the script was not begun{faults}")


async def _work(screen: Screen, run: Simulation, script: Script | None, *, is_interactive: bool) -> int:
    """Carry out the script, or what is typed; without either, wait for ever. Return the exit code."""
    if script is not None:
        return DONE if await run_script(run.session, script) else FAILED
    if not is_interactive:
        await asyncio.Event().wait()
    prompt = Prompt(lambda: _completions(run.session))
    with ExitStack() as stack:
        stack.enter_context(prompt.reading())
        while True:
            with screen.prompting(prompt.typed):
                line = await prompt.line()
            if line is None or line.strip() in {"quit", "exit"}:
                return DONE
            outcome = await run.session.run(line)
            if outcome is not None:
                await screen.caught_up(run.market.journal)
                screen.say("\n".join([outcome.text if outcome.is_ok else f"✗ {outcome.text}", *outcome.told_links]))


def _is_interactive(options: Options) -> bool:
    return not options.as_json and sys.stdin.isatty() and sys.stdout.isatty()


def _completions(session: Session) -> list[str]:
    return sorted([*COMMANDS, "quit", *(tenant.tenant_id for tenant in session.market.tenants)])


def _introduce(screen: Screen, run: Simulation) -> None:
    registration, market = run.market.registration, run.market
    screen.tell(
        {
            "kind": "begin",
            "url": run.url,
            "target": registration.target,
            "manifest": registration.source,
            "faults": list(registration.faults),
            "trouble": registration.trouble,
            "knobs": market.knobs.as_dict(),
            "seed": market.dice.seed,
        }
    )
    for fault in registration.faults:
        screen.say(fault)
    if registration.manifest is None:
        screen.say(f"{registration.trouble}; mend it, then: reload")
    else:
        service = registration.manifest.service
        offers = ", ".join(registration.manifest.extensions) or "no extensions"
        screen.say(f"{service.id} {service.version} at {registration.target}, {offers}; {registration.source}")
    screen.say(f"page       {run.url}/")
    screen.say(f"API token  {run.token}  (for MarketplaceClient at {run.url}/api/v1)")
    screen.say(f"knobs      {market.knobs}  seed={market.dice.seed}")


def _take_leave(screen: Screen, market: Market) -> None:
    left = market.tenants.left
    told = [{"tenant_id": tenant.tenant_id, "state": tenant.state} for tenant in left]
    screen.tell({"kind": "end", "faults": market.faults, "left": told})
    if market.faults:
        screen.say(f"{market.faults} {'time' if market.faults == 1 else 'times'} against the contract; see ✗ above.")
    if left:
        screen.say("Left at the service, with their data:")
        for tenant in left:
            is_known = tenant.access_url is not None or tenant.seen is not None
            doubt = "" if is_known else " (perhaps: its activation was refused, or not answered)"
            screen.say(f"  {tenant.tenant_id}  {tenant.state}{doubt}")
        screen.say("Next time, `clean` removes them before the end; or: status TENANT, then purge TENANT.")
