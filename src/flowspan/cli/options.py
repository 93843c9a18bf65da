"""Options that several verbs share."""

from __future__ import annotations

from typing import Final

import click

from flowspan import config
from flowspan.errors import StoreError
from flowspan.store import location
from flowspan.store.location import Place, store_path

store: Final = click.option(
    "--store",
    metavar="PLACE",
    help="The store to read: a file, a folder, or clickhouse://USER@HOST:PORT/DATABASE. "
    "[default: FLOWSPAN_STORE, else your data folder]",
)
as_json: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def place(given: str | None) -> Place:
    """The store that a user means.

    Args:
        given: The option; ``None`` asks the environment.

    Raises:
        StoreError: There is none, because it was turned off or cannot be a place.
    """
    if given is not None:
        return location.place(given)
    settings = config.load()
    if not settings.store_enabled:
        raise StoreError(
            "the store is turned off by FLOWSPAN_STORE, so there are no runs to look at: "
            "unset it, or name a store with --store PLACE"
        )
    return location.place(settings.store)


def absolute_store(
    _ctx: click.Context, _parameter: click.Parameter, value: str | None
) -> str | None:
    """The store that a program is to write: the program, or one that it starts, may move about."""
    if value is None or not config.load({"FLOWSPAN_STORE": value}).store_enabled:
        return value
    return str(store_path(value))
