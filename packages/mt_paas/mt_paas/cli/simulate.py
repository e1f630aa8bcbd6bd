"""``mt-paas simulate``: a market to develop a service against."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("simulate")(simulate)


def simulate(
    *,
    target: Annotated[
        str, typer.Option("--target", metavar="URL", help="Where the service is, such as http://127.0.0.1:8000.")
    ],
    key: Annotated[
        str,
        typer.Option("--key", envvar="MT_PAAS_KEY", metavar="KEY", help="The market's key, which the service accepts."),
    ],
    manifest: Annotated[
        str | None,
        typer.Option(
            "--manifest", metavar="FILE|URL", help="Its manifest; otherwise the one that the service serves, if any."
        ),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The port of the page and of the API; 0: a free one.")
    ] = 8505,
    script: Annotated[
        str | None, typer.Option("--script", metavar="FILE", help="Commands to carry out, one a line; then it ends.")
    ] = None,
    delay: Annotated[
        float, typer.Option("--delay", min=0, max=60, metavar="SECONDS", help="Hold each call back so long.")
    ] = 0,
    fail: Annotated[
        float,
        typer.Option("--fail", min=0, max=1, metavar="RATE", help="How often the market hangs up, and tries again."),
    ] = 0,
    repeat: Annotated[
        float, typer.Option("--repeat", min=0, max=1, metavar="RATE", help="How often a lifecycle call is sent twice.")
    ] = 0,
    disorder: Annotated[
        float,
        typer.Option(
            "--disorder", min=0, max=1, metavar="RATE", help="How often a call overtakes another, or is late."
        ),
    ] = 0,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="The same seed and commands give the same faults.")
    ] = None,
    health_every: Annotated[
        float, typer.Option("--health-every", min=0.1, metavar="SECONDS", help="How often the health is asked for.")
    ] = 60,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="How long a call may take.")
    ] = 10,
    host: Annotated[
        str, typer.Option("--host", help="Where to listen. The page answers to this machine alone all the same.")
    ] = "127.0.0.1",
    public_url: Annotated[
        str | None,
        typer.Option(
            "--public-url", metavar="URL", help="How the service reaches this, where that is another address."
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            "--token", envvar="MT_PAAS_TOKEN", metavar="TOKEN", help="The service's API token; otherwise a new one."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the log as JSON, one object a line.")] = False,
) -> None:
    """Be a market for a service: drive its tenants, judge its answers, take its events, and show all of it.

    There are a prompt, a page at the port, and --script, which ends with 1 when a step or an expectation fails.
    """
    from mt_paas.simulator import Knobs, Options
    from mt_paas.simulator import simulate as run

    options = Options(
        target=target,
        key=key,
        manifest=manifest,
        host=host,
        port=port,
        public_url=public_url,
        script=script,
        knobs=Knobs(delay=delay, fail=fail, repeat=repeat, disorder=disorder),
        seed=seed,
        health_every=health_every,
        timeout=timeout,
        token=token,
        as_json=as_json,
    )
    raise typer.Exit(run(options))
