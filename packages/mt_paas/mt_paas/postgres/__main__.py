"""Run an embedded PostgreSQL in the foreground: ``python -m mt_paas.postgres HOME``.

It prints the server's URL, with the password, as its only line of output once the server answers, and stops on Ctrl-C
or SIGTERM. Programs that use the same HOME share the server, and keep it running when this one ends before them.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from mt_paas.errors import MtPaasError
from mt_paas.postgres.embedded import EmbeddedPostgres


def main() -> int:
    """Serve until a signal; return an exit code."""
    parser = argparse.ArgumentParser(prog="python -m mt_paas.postgres", description=__doc__)
    parser.add_argument("home", type=Path, metavar="HOME", help="the folder of the server, made if need be")
    parser.add_argument("--fast", action="store_true", help="give up durability for speed: for tests only")
    options = parser.parse_args()
    stop_signals = {signal.SIGINT, signal.SIGTERM}
    try:
        with EmbeddedPostgres(options.home, fast=options.fast) as server:
            signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)
            sys.stdout.write(server.url() + "\n")
            sys.stdout.flush()
            signal.sigwait(stop_signals)
    except MtPaasError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
