"""``flowspan run``: a program, traced, and what it recorded."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from flowspan import interpreter, launcher
from flowspan.cli import options

_VARIABLES: Final = {
    "map_file": "FLOWSPAN_MAP",
    "store": "FLOWSPAN_STORE",
    "endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
    "detail": "FLOWSPAN_DETAIL",
    "content": "FLOWSPAN_CONTENT",
    "prices": "FLOWSPAN_PRICES",
}
"""The variable that each option sets."""

_NOT_THERE: Final = (
    "flowspan: nothing will be recorded, because flowspan is not installed for {python}, "
    "which runs this command: install it there, or run the command with {ours}"
)

_BLIND: Final = (
    "flowspan: nothing will be recorded, because {switch} keeps Python from what starts flowspan: "
    "leave it out"
)

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path, resolve_path=True)


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--map", "map_file", type=_FILE, help="Span map for your own code (TOML or YAML).")
@click.option(
    "--store",
    metavar="PATH",
    callback=options.absolute_store,
    help="Where to keep the runs: a file, a folder, or off.",
)
@click.option("--endpoint", metavar="URL", help="Send to this OTLP collector as well.")
@click.option(
    "--detail", type=click.Choice(["minimal", "normal", "full"]), help="How much to record."
)
@click.option(
    "--content",
    type=click.Choice(["off", "hash", "redacted", "full"]),
    help="Whether to record prompts and answers, and how.",
)
@click.option("--prices", type=_FILE, help="Prices that are not known or not right.")
@click.option("--no-summary", is_flag=True, help="Leave nothing of flowspan around the program.")
@click.pass_context
def run(
    ctx: click.Context, /, command: tuple[str, ...], *, no_summary: bool, **given: str | Path | None
) -> None:
    """Run a program and record what its agents do.

    COMMAND is what you would type without flowspan: python with a script, a console script, or a
    path that ends in .py. It keeps its input, its output and its exit code, and gets your Ctrl-C.
    At its end a few lines on the standard error tell what was recorded.
    """
    settings = {_VARIABLES[name]: str(value) for name, value in given.items() if value is not None}
    settings["FLOWSPAN_INVOCATION"] = invocation = str(uuid.uuid4())
    environ = launcher.environment(os.environ, settings)
    program = launcher.resolve(command)
    if (blind := _why_blind(program)) is not None:
        click.echo(blind, err=True)
        ctx.exit(launcher.run(program, launcher.without_hook(os.environ)))
    if no_summary:
        ctx.exit(launcher.replace(program, environ))
    code = launcher.run(program, environ)

    from flowspan.cli import recorded  # noqa: PLC0415 - it is slow, and the program is not to wait

    recorded.tell(environ, invocation, given_store=given["store"])
    ctx.exit(code)


def _why_blind(program: Sequence[str]) -> str | None:
    """Why flowspan cannot begin in a program; ``None`` where it can."""
    python = interpreter.of_command(program)
    if python is not None and not interpreter.has_flowspan(python):
        return _NOT_THERE.format(python=python, ours=sys.executable)
    switch = interpreter.blinding_switch(program)
    return None if switch is None else _BLIND.format(switch=switch)
