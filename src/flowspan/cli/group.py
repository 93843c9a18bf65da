"""The command ``flowspan`` itself: its verbs, imported one at a time, and how errors are told."""

from __future__ import annotations

import io
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final

import click

from flowspan.errors import FlowspanError

VERBS: Final = {
    "run": "Run a program and record what its agents do.",
    "runs": "List the last runs.",
    "show": "Show one run as a tree.",
    "doctor": "Check what would be recorded, and why something is not.",
    "map": "Write span maps: roles for code of your own.",
    "store": "Prepare a database for runs.",
}
"""The verbs and what their help begins with: known without importing any of them."""


class VerbGroup(click.Group):
    """Imports a verb only when it is asked for, so that each starts as fast as it can."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The verbs, in the order in which a user meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The verb of that name."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = getattr(import_module(f"flowspan.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """The list of verbs in the help."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; an error that is meant for the user is one sentence, without a traceback."""
        _never_fail_on_characters()
        try:
            return super().invoke(ctx)
        except FlowspanError as error:
            click.echo(f"flowspan: {error}", err=True)
            ctx.exit(getattr(error, "code", 1))


def _never_fail_on_characters() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
    if wanted:
        click.echo(f"flowspan {version('flowspan')}")
        ctx.exit()


@click.group(cls=VerbGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
def flowspan() -> None:
    """See what your agents do, and what it costs.

    Start your program with `flowspan run`, unchanged. Then look at its runs.
    """
