"""The store: where it is, how big, and whether it can be written; a database, whether read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from flowspan.config import Settings
from flowspan.errors import StoreError
from flowspan.report import amounts
from flowspan.report.findings import Finding
from flowspan.store import location
from flowspan.store.clickhouse.address import Address
from flowspan.store.queries import open_store
from flowspan.store.records import StoreInfo

_NEARLY_FULL: Final = 0.9
_MEBIBYTE: Final = 1024 * 1024
_MANY_SPANS: Final = 5_000_000
"""From so many on a list over the collector's own table takes more than a moment."""


def findings(wanted: Settings) -> list[Finding]:
    """The state of the store."""
    if not wanted.store_enabled:
        return [Finding("note", "store", "off, by FLOWSPAN_STORE")]
    try:
        path = location.place(wanted.store)
        if isinstance(path, Address):
            return [_database(path)]
        if not path.exists():
            return [_not_yet(path)]
        with open_store(path) as opened:
            info = opened.info()
    except StoreError as error:
        return [
            Finding(
                "problem",
                "store",
                str(error),
                "move the file away to begin a new one, or set FLOWSPAN_STORE to another place",
            )
        ]
    return [_described(info, wanted)]


def _database(address: Address) -> Finding:
    from flowspan.store.clickhouse import database  # noqa: PLC0415 - most stores are files
    from flowspan.store.clickhouse.relations import CORE, TRACES_CORE, VIEW  # noqa: PLC0415 - same

    try:
        found = database.survey(address)
    except StoreError as error:
        return Finding("problem", "store", str(error), "correct FLOWSPAN_STORE")
    data = {
        "path": str(address),
        "exists": True,
        "size_bytes": found.size_bytes,
        "spans": found.spans,
        "view": found.relations.has(VIEW),
        "tables": found.relations.has(CORE) and found.relations.has(TRACES_CORE),
    }
    size = "" if found.size_bytes is None else f", {amounts.size(found.size_bytes)}"
    spans = "" if found.spans is None else f"{amounts.count(found.spans, 'span')}{size}, "
    text = f"{address}: {spans}written by a collector, read here"
    if not data["tables"] and (found.spans or 0) >= _MANY_SPANS:
        remedy = "make the tables that flowspan store ddl --clickhouse prints"
        return Finding("note", "store", f"{text}; lists would be faster", remedy, data)
    return Finding("ok", "store", text, data=data)


def _not_yet(path: Path) -> Finding:
    folder = next(parent for parent in path.parents if parent.exists())
    data = {"path": str(path), "exists": False}
    if not os.access(folder, os.W_OK | os.X_OK) or not folder.is_dir():
        return Finding(
            "problem",
            "store",
            f"{path} cannot be made: {folder} may not be written",
            "set FLOWSPAN_STORE to a place that may be written",
            data,
        )
    return Finding("ok", "store", f"{path} will be made by the first run", data=data)


def _described(info: StoreInfo, wanted: Settings) -> Finding:
    size = amounts.size(info.size_bytes)
    runs = amounts.count(info.runs, "run")
    spans = amounts.count(info.spans, "span")
    data = {
        "path": str(info.path),
        "exists": True,
        "size_bytes": info.size_bytes,
        "schema_version": info.schema_version,
        "journal_mode": info.journal_mode,
        "runs": info.runs,
        "spans": info.spans,
        "oldest_ns": info.oldest_ns,
    }
    text = f"{info.path}: {runs}, {spans}, {size}, schema {info.schema_version}"
    if not os.access(info.path, os.W_OK):
        return Finding(
            "problem",
            "store",
            f"{text}; it may not be written",
            f"allow writing to {info.path}, or set FLOWSPAN_STORE to another place",
            data,
        )
    if info.size_bytes > _NEARLY_FULL * wanted.store_max_mb * _MEBIBYTE:
        limit = f"{wanted.store_max_mb:,.0f} MiB"
        text += f"; nearly at its limit of {limit}, then the oldest runs are deleted"
        return Finding("note", "store", text, "raise FLOWSPAN_STORE_MAX_MB to keep more", data)
    return Finding("ok", "store", text, data=data)
