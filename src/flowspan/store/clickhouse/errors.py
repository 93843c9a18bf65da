"""What a ClickHouse server, or the way to it, says: in one sentence that a user can act on."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy.exc import DBAPIError

from flowspan.store.clickhouse.address import Address

_REMEDIES: Final = {
    "AUTHENTICATION_FAILED": "name a user and a password in the address, or in CLICKHOUSE_USER "
    "and CLICKHOUSE_PASSWORD",
    "REQUIRED_PASSWORD": "set CLICKHOUSE_PASSWORD, or name a password in the address",
    "ACCESS_DENIED": "grant the user SELECT on the collector's database",
    "UNKNOWN_DATABASE": "name the database that the collector writes to",
    "READONLY": "the user may not change settings: create it with readonly = 2",
    "TIMEOUT_EXCEEDED": "ask for less (--since, --limit), or make the tables that "
    "flowspan store ddl --clickhouse prints",
    "MEMORY_LIMIT_EXCEEDED": "ask for less (--since, --limit), or make the tables that "
    "flowspan store ddl --clickhouse prints",
}
_UNREACHED: Final = (
    "check the host and its HTTP port (8123, with TLS 8443 and ?secure=true), and that the server "
    "runs"
)
_OF_THE_SERVER: Final = re.compile(r"Code: \d+")
_NAME: Final = re.compile(r"\(([A-Z][A-Z_]+)\)")
_NOISE: Final = re.compile(r"^(Received ClickHouse exception, )?(Code: \d+\. )?(DB::Exception: )?")
_AFTERWARDS: Final = re.compile(
    r"\s*(: [Ww]hile |In scope |\([A-Z_]+\)$|\(version |\(for url ).*", re.DOTALL
)
_LONGEST: Final = 300


def sentence(error: Exception, address: Address) -> str:
    """What is wrong, and what to do.

    Args:
        error: As SQLAlchemy or the driver raised it.
        address: What was asked.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    first = _innermost(cause)
    if first is not cause and not _OF_THE_SERVER.search(str(cause)):
        return f"{address} cannot be reached ({_said(first)}): {_UNREACHED}"
    named = _NAME.findall(str(cause))
    remedy = _REMEDIES.get(named[-1]) if named else None
    return f"{address} cannot be read ({_said(cause)})" + (f": {remedy}" if remedy else "")


def _innermost(error: BaseException) -> BaseException:
    """What began it: drivers wrap what the system said several times."""
    seen: list[BaseException] = []
    inner: object = error
    while isinstance(inner, BaseException) and inner not in seen:
        seen.append(inner)
        inner = getattr(inner, "reason", None) or inner.__cause__ or inner.__context__
    return seen[-1]


def _said(error: BaseException) -> str:
    words = _AFTERWARDS.sub("", _NOISE.sub("", str(error).strip()))
    first = words.splitlines()[0].rstrip(". ") if words else type(error).__name__
    return first[:_LONGEST]
