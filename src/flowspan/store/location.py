"""Where the store is: a file that programs write and readers read, or a database for readers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from flowspan.errors import StoreError
from flowspan.store.clickhouse.address import Address, is_address, parse, without_password

Place = Path | Address
"""What can be read: an embedded store, or a database that a collector fills."""

FILE_NAME: Final = "traces.db"
FILE_SUFFIXES: Final = frozenset({".db", ".sqlite", ".sqlite3"})
"""How the name of a store's file ends."""


def place(setting: str | None = None) -> Place:
    """What a reader is to look at.

    Args:
        setting: What :func:`store_path` takes, or the address of a database.

    Raises:
        StoreError: It is neither.
    """
    if setting and is_address(setting):
        return parse(setting)
    return store_path(setting)


def store_path(setting: str | None = None) -> Path:
    """The file that a program writes, absolute: a program may change its folder afterwards.

    Args:
        setting: What the user said (``FLOWSPAN_STORE``): a file (ending in ``.db``, ``.sqlite`` or
            ``.sqlite3``, or already there as a file) or a folder. The user's data folder unless
            given.

    Raises:
        StoreError: The setting is not the name of a file or folder.
    """
    if not setting:
        return _data_folder() / FILE_NAME
    if is_address(setting):
        raise StoreError(
            f"{parse(setting)} is for readers: programs do not write to it, a collector does; "
            "set OTEL_EXPORTER_OTLP_ENDPOINT to send them there"
        )
    if "://" in setting or "\0" in setting:
        raise StoreError(
            f"FLOWSPAN_STORE={without_password(setting)!r} is not the path of a file or folder: "
            "expected one, or off, as FLOWSPAN_STORE=~/traces.db"
        )
    path = _absolute(setting)
    ends_as_folder = setting.endswith(("/", os.sep))
    is_file = path.is_file() or (path.suffix.lower() in FILE_SUFFIXES and not path.is_dir())
    return path if is_file and not ends_as_folder else path / FILE_NAME


def _absolute(setting: str) -> Path:
    try:
        return Path(os.path.abspath(Path(setting).expanduser()))  # noqa: PTH100 - links stay links
    except (RuntimeError, OSError) as error:
        raise StoreError(
            f"FLOWSPAN_STORE={setting!r} cannot be followed ({error}): give a full path"
        ) from error


def _data_folder() -> Path:
    import platformdirs  # noqa: PLC0415 - not needed where the user named a place

    return _absolute(str(platformdirs.user_data_path("flowspan", appauthor=False)))
