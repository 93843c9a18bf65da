"""Opening a collector's database: what is said where that cannot be."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from flowspan.errors import StoreError
from flowspan.store.clickhouse import database, errors
from flowspan.store.clickhouse.address import Address, parse
from flowspan.store.queries import Store, is_there, open_store

SECOND = 10**9
PASSWORD = "secret"  # noqa: S105 - of nobody


def span(start_ns: int, *, parent: int | None = None) -> ReadableSpan:
    above = None if parent is None else SpanContext(1, parent, is_remote=False)
    return ReadableSpan(
        "work",
        context=SpanContext(1, 1, is_remote=False),
        parent=above,
        start_time=start_ns,
        end_time=start_ns + SECOND,
    )


@pytest.mark.parametrize(("seconds", "status"), [(60, "running"), (3_600, "interrupted")])
def test_a_run_whose_root_has_not_come_runs_until_nothing_has_come_for_long(
    collected: Any, both: Any, seconds: int, status: str
) -> None:
    """Spans come when they end: nothing tells of a root that has only begun."""
    both.take(span(time.time_ns() - seconds * SECOND, parent=9))

    assert [run.status for run in collected.open().runs()] == [status]


def test_a_root_that_has_come_is_believed(both: Any) -> None:
    both.take(span(time.time_ns() - SECOND))
    embedded, collected = both.open()

    assert embedded.runs() == collected.runs()


def test_a_database_is_surveyed(collected: Any, both: Any) -> None:
    both.take(span(1_790_000_000 * SECOND))

    before = database.survey(collected.address)
    collected.prepare()
    after = database.survey(collected.address)

    assert (before.spans, before.relations.database) == (1, collected.name)
    assert (before.size_bytes or 0) > 0
    assert [before.relations.has(name) for name in ("spans", "spans_core", "traces_core")] == [
        False,
        False,
        False,
    ]
    assert [after.relations.has(name) for name in ("spans", "spans_core", "traces_core")] == [
        True,
        True,
        True,
    ]


def test_a_database_is_no_file_of_ours(collected: Any) -> None:
    assert is_there(collected.address)
    with pytest.raises(StoreError, match="no file"):
        collected.open().info()


def test_a_database_without_the_collectors_table_is_said_to_have_none(collected: Any) -> None:
    collected.execute("DROP TABLE otel_traces_trace_id_ts_mv;\nDROP TABLE otel_traces")

    with pytest.raises(StoreError, match="has no table otel_traces that may be read: a collector"):
        collected.open()


def test_attributes_as_json_are_refused(collected: Any) -> None:
    """The exporter's variant, which is not read."""
    collected.execute(
        "DROP TABLE otel_traces_trace_id_ts_mv;\nDROP TABLE otel_traces;\n"
        "CREATE TABLE otel_traces (SpanAttributes JSON) ENGINE = MergeTree ORDER BY tuple()"
    )

    with pytest.raises(StoreError, match=r"keeps attributes as JSON.*json: false"):
        collected.open()


def test_an_error_of_the_servers_is_said_in_one_sentence(collected: Any) -> None:
    store = collected.open()
    collected.execute("DROP TABLE otel_traces")

    with pytest.raises(StoreError) as refused:
        store.runs()

    said = str(refused.value)
    assert said.startswith(f"{collected.address} cannot be read (Unknown table expression")
    assert "\n" not in said
    assert "In scope" not in said


def test_a_database_that_is_not_there_is_named(engine: Any) -> None:
    _, folder = engine
    address = parse(f"clickhouse://localhost/nowhere?interface=chdb&path={folder}")

    with pytest.raises(StoreError, match=r"nowhere.*name the database"):
        open_store(address)


def test_a_server_that_is_not_there_is_named() -> None:
    pytest.importorskip("clickhouse_connect", reason="make test-clickhouse")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = Address(host="127.0.0.1", port=port, user="u", password=PASSWORD, database="otel")

    with pytest.raises(StoreError) as refused:
        open_store(address)

    said = str(refused.value)
    assert said.startswith(f"clickhouse://u@127.0.0.1:{port}/otel cannot be reached (")
    assert "Connection refused" in said
    assert "8123" in said
    assert "secret" not in said


@contextmanager
def server(status: int, answer: str, **headers: str) -> Iterator[tuple[int, list[Any]]]:
    """Answers every request the same; its port, and the headers of what it was asked."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.headers)
            self.rfile.read(int(self.headers.get("content-length", 0)))
            body = answer.encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 - http.server's name

        def log_message(self, *_: Any) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running.server_address[1], asked
    running.shutdown()
    running.server_close()
    thread.join()


def test_a_user_who_is_refused_is_told_where_to_name_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """User and password may come from the environment, and are sent to the server alone."""
    pytest.importorskip("clickhouse_connect", reason="make test-clickhouse")
    monkeypatch.setenv("CLICKHOUSE_USER", "reader")
    monkeypatch.setenv("CLICKHOUSE_PASSWORD", "secret")
    said = (
        "Code: 516. DB::Exception: reader: Authentication failed: password is incorrect, or there "
        "is no user with such name. (AUTHENTICATION_FAILED) (version 26.2.4.23 (official build))"
    )
    code = {"X-ClickHouse-Exception-Code": "516"}

    with server(403, said, **code) as (port, asked), pytest.raises(StoreError) as refused:
        open_store(Address(host="127.0.0.1", port=port, database="otel"))

    assert "Authentication failed" in str(refused.value)
    assert "CLICKHOUSE_PASSWORD" in str(refused.value)
    assert "version" not in str(refused.value)
    assert asked[0]["authorization"] == "Basic cmVhZGVyOnNlY3JldA=="


def test_what_is_no_clickhouse_is_named() -> None:
    pytest.importorskip("clickhouse_connect", reason="make test-clickhouse")

    with server(404, "<html>not here</html>") as (port, _), pytest.raises(StoreError) as refused:
        open_store(Address(host="127.0.0.1", port=port, database="otel"))

    assert str(refused.value).startswith(f"clickhouse://127.0.0.1:{port}/otel cannot be read (")


def test_without_the_driver_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "find_spec", lambda _: None)

    with pytest.raises(StoreError, match=r"needs clickhouse-connect.*flowspan\[clickhouse\]"):
        open_store(parse("clickhouse://host/otel"))


def test_an_error_without_words_is_named_by_its_class() -> None:
    address = Address()

    assert "cannot be read (ValueError)" in errors.sentence(ValueError(), address)


def test_a_store_is_closed(collected: Any) -> None:
    with Store(
        collected.address, database.dialect(database.survey(collected.address).relations)
    ) as one:
        assert one.runs() == []
