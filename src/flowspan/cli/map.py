"""``flowspan map``: span maps, checked, drafted and described."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from flowspan.cli import options

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_python: Final = click.option(
    "--python", type=_FILE, help="The Python that the program runs in. [default: this one]"
)


@click.group()
def map() -> None:  # noqa: A001 - the verb's name
    """Write span maps: roles for code of your own."""


@map.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--script", type=_FILE, help="The script in which rows of __main__ are found.")
@_python
@options.as_json
@click.pass_context
def check(
    ctx: click.Context, *, file: Path, script: Path | None, python: Path | None, as_json: bool
) -> None:
    """Say what each row of a span map matches.

    The modules that the map names are imported, by a process of its own, from the current folder or
    where Python finds them. The exit code is 0 if all is well and 1 if there is something to fix.
    """
    from flowspan.cli.findings import tell  # noqa: PLC0415 - the help need not wait for it
    from flowspan.mapping import checking  # noqa: PLC0415 - as above

    tell(ctx, checking.check(file, script, python), as_json=as_json)


@map.command()
@click.argument("modules", nargs=-1, required=True, metavar="MODULE...")
@_python
def suggest(*, modules: tuple[str, ...], python: Path | None) -> None:
    """Draft a span map for modules of a program.

    The draft is TOML, with a comment that says why each row is there. It is made from names,
    signatures and class hierarchies: look through it, and ask `flowspan map check` about it.
    Of a package, the modules directly inside it are looked at.
    """
    from flowspan.mapping import drafting  # noqa: PLC0415 - the help need not wait for it

    click.echo(drafting.draft(modules, python), nl=False)


@map.command()
def schema() -> None:
    """Print the JSON Schema of span maps, for editors."""
    from flowspan.instrumentation.spanmap.schema import SCHEMA_FILE  # noqa: PLC0415 - as above

    click.echo(SCHEMA_FILE.read_text("utf-8"), nl=False)
