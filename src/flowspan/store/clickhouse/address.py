"""The address of a ClickHouse database: ``clickhouse://USER:PASSWORD@HOST:PORT/DATABASE``.

Only the standard library is needed here: a program that is watched meets such an address too, in
``FLOWSPAN_STORE``, and must see that it is not a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from flowspan.errors import StoreError

SCHEME: Final = "clickhouse://"
TRACES_TABLE: Final = "otel_traces"
"""What the collector calls its table unless told otherwise."""

_FORM: Final = "clickhouse://USER@HOST:8123/DATABASE"
_NATIVE_PORTS: Final = {9000: "8123", 9440: "8443, with ?secure=true"}
_SECRET: Final = re.compile(r"(://[^:/?#@]*):.*@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a database is. As text it does not show the password.

    Attributes:
        host: Name or number of the server.
        port: Of its HTTP interface; ``None`` for the usual one (8123, with TLS 8443).
        database: The collector's; ``None`` for the user's default one.
        user: ``None`` leaves it to ``CLICKHOUSE_USER``, or to the server.
        password: ``None`` leaves it to ``CLICKHOUSE_PASSWORD``.
        table: The collector's table of spans.
        options: Further parameters, for clickhouse-connect, as ``secure`` and ``verify``.
    """

    host: str = "localhost"
    port: int | None = None
    database: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    table: str = TRACES_TABLE
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        return f"{SCHEME}{user}{host}{port}/{self.database or ''}"


def is_address(setting: str | None) -> bool:
    """Whether a setting names a database; anything else is a file or a folder."""
    return setting is not None and setting.lower().startswith(SCHEME)


def parse(setting: str) -> Address:
    """Read an address.

    Raises:
        StoreError: It is not one, or names a port that does not speak HTTP.
    """
    parts, port = _split(setting)
    if port in _NATIVE_PORTS:
        raise StoreError(
            f"port {port} of {parts.hostname} speaks ClickHouse's native protocol, and flowspan "
            f"reads over HTTP: write its HTTP port instead, usually {_NATIVE_PORTS[port]}"
        )
    options = dict(parse_qsl(parts.query))
    return Address(
        host=parts.hostname or "localhost",
        port=port,
        database=unquote(parts.path.strip("/")) or None,
        user=None if parts.username is None else unquote(parts.username) or None,
        password=None if parts.password is None else unquote(parts.password),
        table=options.pop("table", TRACES_TABLE),
        options=options,
    )


def _split(setting: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(setting)
        port = parts.port
    except ValueError as error:
        raise StoreError(
            f"{without_password(setting)!r} is not the address of a database ({error}): "
            f"expected {_FORM}"
        ) from None
    return parts, port


def without_password(setting: str) -> str:
    """A setting as it may be shown, whatever sort of address it is."""
    return _SECRET.sub(r"\1@", setting)
