"""The command line ``flowspan``: one file per verb, and no logic in them."""

from __future__ import annotations


def main() -> None:
    """Entry point of the console script."""
    from flowspan.cli.group import flowspan  # noqa: PLC0415 - importing the package stays free

    flowspan()
