"""``mt-paas manifest``: check one, compare two, and get the JSON Schema for an editor."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mt_paas.cli.exits import ExitCode

__all__ = ["add_to"]

_manifest = typer.Typer(
    help="Check a manifest.yaml, compare two, get the JSON Schema for an editor.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the tree."""
    app.add_typer(_manifest, name="manifest")


class Form(StrEnum):
    """How the answer is printed."""

    TEXT = "text"
    JSON = "json"


class SchemaVersion(StrEnum):
    """Which version of the manifest."""

    FIRST = "1.0"
    SECOND = "2.0"


_Format = Annotated[Form, typer.Option("--format", help="Print for people, or as JSON.")]


@_manifest.command()
def validate(
    files: Annotated[list[Path], typer.Argument(help="Manifests, YAML or JSON.", show_default=False)],
    form: _Format = Form.TEXT,
) -> None:
    """Tell every fault of manifests at once, each with its file, line and column. Exit 1 if there is one."""
    from mt_paas.standard_api.manifest import check_file

    reports = [check_file(file) for file in files]
    if form is Form.JSON:
        told = [
            {
                "file": report.source,
                "is_valid": report.manifest is not None,
                "faults": [fault.as_dict() for fault in report.faults],
                "warnings": [warning.as_dict() for warning in report.warnings],
            }
            for report in reports
        ]
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        for report in reports:
            for fault in report.faults:
                typer.echo(fault.describe(report.source), err=True)
            for warning in report.warnings:
                typer.echo(f"{warning.describe(report.source)} [warning]", err=True)
            if manifest := report.manifest:
                offers = ", ".join(manifest.extensions) or "none"
                typer.echo(
                    f"{report.source} is right: {manifest.service.id}, version {manifest.version}, extensions: {offers}"
                )
    if any(report.manifest is None for report in reports):
        raise typer.Exit(ExitCode.FAILED)


@_manifest.command()
def diff(
    old: Annotated[Path, typer.Argument(help="The manifest that is in use.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="The one that is to replace it.", show_default=False)],
    form: _Format = Form.TEXT,
) -> None:
    """Tell what changed between two manifests, and what it breaks.

    Exit 1 if it breaks something, 2 if one of the two can not be used.
    """
    from mt_paas.errors import ManifestError
    from mt_paas.standard_api.manifest import Manifest, difference

    try:
        changes = difference(Manifest.load(old), Manifest.load(new))
    except ManifestError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(ExitCode.UNUSABLE) from None
    if form is Form.JSON:
        typer.echo(json.dumps([change.as_dict() for change in changes], ensure_ascii=False, indent=2, default=str))
    else:
        for change in changes:
            typer.echo(change.describe())
        if not changes:
            typer.echo("no changes")
    if any(change.breaks for change in changes):
        raise typer.Exit(ExitCode.FAILED)


@_manifest.command()
def schema(
    version: Annotated[SchemaVersion, typer.Option(help="The version of the manifest.")] = SchemaVersion.SECOND,
) -> None:
    """Print the JSON Schema of manifest.yaml, by which editors complete and check it."""
    from mt_paas.standard_api.manifest import manifest_schema

    typer.echo(manifest_schema(version.value), nl=False)
