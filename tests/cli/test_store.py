"""``flowspan store``, and stores that are databases."""

from __future__ import annotations

from typing import Any

import pytest

from flowspan.store.clickhouse import database, tables


def test_statements_for_clickhouse(cli: Any) -> None:
    """The statements can be passed on as they are."""
    answer = cli("store", "ddl", "--clickhouse")

    assert (answer.code, answer.out, answer.err) == (0, tables.script(), "")


def test_options(cli: Any) -> None:
    """The collector's table and the days can be named."""
    answer = cli("store", "ddl", "--clickhouse", "--table", "spans_in", "--keep-days", "30")

    assert answer.out == tables.script(collected="spans_in", keep_days=30)
    assert "FROM `spans_in`" in answer.out
    assert "toIntervalDay(30)" in answer.out


def test_no_database_is_named(cli: Any) -> None:
    """There may be others one day, so it has to be said."""
    answer = cli("store", "ddl")

    assert answer.code == 2
    assert "--clickhouse" in answer.err


@pytest.mark.parametrize("verb", ["runs", "show"])
def test_driver_is_not_installed(cli: Any, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    """What reads a database is an extra; one sentence says which."""
    monkeypatch.setattr(database, "find_spec", lambda _: None)
    monkeypatch.setenv("FLOWSPAN_STORE", "clickhouse://u:secret@host/otel")

    answer = cli(verb)

    assert (answer.code, answer.out) == (1, "")
    assert answer.err == (
        "flowspan: reading clickhouse://u@host/otel needs clickhouse-connect, which is not "
        "installed: pip install 'flowspan[clickhouse]'\n"
    )
