"""``mt-paas init``: a new service that keeps the contract from its first minute, to be made one's own."""

from __future__ import annotations

import re
import secrets
import unicodedata
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from mt_paas.cli.exits import ExitCode, Stop

__all__ = ["add_to", "write_service"]

_TEMPLATES = Path(__file__).parent / "templates" / "service"
#: How files are called whose own name would mean something where the templates are kept.
_HIDDEN = {"env": ".env", "gitignore": ".gitignore", "dockerignore": ".dockerignore"}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,61}[a-z0-9]")


def add_to(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("init")(init)


def init(
    name: Annotated[str, typer.Argument(help="The service's id, a slug; also the folder's name.", show_default=False)],
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Where to write it, if not in a folder of its name.", show_default=False),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port that it runs on.")] = 8000,
) -> None:
    """Write a new service: its code, manifest, tests and Dockerfile, and a key for this machine."""
    if not _NAME.fullmatch(name):
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
        guess = re.sub(r"[^a-z0-9_-]+", "_", plain.lower()).strip("_-")
        hint = f"; did you mean {guess}?" if _NAME.fullmatch(guess) else ""
        raise typer.BadParameter(
            f"{name!r} is no slug (a-z, 0-9, _ and -, 2 to 63 characters){hint}", param_hint="NAME"
        )
    place = folder or Path(name)
    try:
        written = write_service(place, name, port=port)
    except FileExistsError as error:
        raise Stop(
            ExitCode.UNUSABLE,
            f"{error.args[0]} is there already, so nothing was written: take another name, or --folder",
        ) from None
    except OSError as error:
        raise Stop(ExitCode.UNUSABLE, f"{place} can not be written: {error.strerror}") from None
    for path in written:
        typer.echo(f"  {path}")
    typer.echo(
        f"\nNow:\n  cd {place}\n  set -a && . ./.env\n  uvicorn app:app --port {port} &\n"
        f"  mt-paas test --target http://127.0.0.1:{port} --wait 60"
    )


def write_service(place: Path, service_id: str, *, port: int) -> list[Path]:
    """Write the files of a new service into ``place`` and return their paths.

    Raises ``FileExistsError``, and writes nothing, when one of them is there already.
    """
    from mt_paas.standard_api.manifest import manifest_schema

    words = {
        "__ID__": service_id,
        "__TITLE__": re.sub(r"[_-]+", " ", service_id).strip().capitalize(),
        "__PORT__": str(port),
        "__KEY__": secrets.token_urlsafe(32),
        "__VERSION__": version("mt-paas"),
    }
    files = {place / "manifest.schema.json": manifest_schema("2.0")}
    for template in sorted(_TEMPLATES.rglob("*.tmpl")):
        name = template.name.removesuffix(".tmpl")
        text = template.read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(word, value)
        files[place / template.parent.relative_to(_TEMPLATES) / _HIDDEN.get(name, name)] = text
    for path in files:
        if path.exists():
            raise FileExistsError(str(path))
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600 if path.name == ".env" else 0o644)
        path.write_text(text, encoding="utf-8")
    return sorted(files)
