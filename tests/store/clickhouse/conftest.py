"""A ClickHouse engine in this process, and a collector's database in it.

There is one engine for each process of the test run, and one database for each test.  Spans come as
OTLP, and are written as the collector's clickhouse exporter writes them.
"""

from __future__ import annotations

import base64
import json
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan

from flowspan.store.clickhouse import tables
from flowspan.store.clickhouse.address import Address, parse
from flowspan.store.queries import Store, open_store
from flowspan.store.writer import StoreWriter

_NO_ENGINE = "chdb is not installed: make test-clickhouse"

TABLES = """
CREATE TABLE {database}.otel_traces (
    Timestamp DateTime64(9) CODEC(Delta, ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration UInt64 CODEC(ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    Events Nested (
        Timestamp DateTime64(9),
        Name LowCardinality(String),
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    Links Nested (
        TraceId String,
        SpanId String,
        TraceState String,
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp));

CREATE TABLE {database}.otel_traces_trace_id_ts (
    TraceId String CODEC(ZSTD(1)),
    Start DateTime CODEC(Delta, ZSTD(1)),
    End DateTime CODEC(Delta, ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = MergeTree PARTITION BY toDate(Start) ORDER BY (TraceId, Start);

CREATE MATERIALIZED VIEW {database}.otel_traces_trace_id_ts_mv
TO {database}.otel_traces_trace_id_ts AS
SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End
FROM {database}.otel_traces WHERE TraceId != '' GROUP BY TraceId
"""
"""What the collector's clickhouse exporter makes (its version 0.161)."""

COLUMNS = (
    "Timestamp",
    "TraceId",
    "SpanId",
    "ParentSpanId",
    "TraceState",
    "SpanName",
    "SpanKind",
    "ServiceName",
    "ResourceAttributes",
    "ScopeName",
    "ScopeVersion",
    "SpanAttributes",
    "Duration",
    "StatusCode",
    "StatusMessage",
    "Events.Timestamp",
    "Events.Name",
    "Events.Attributes",
    "Links.TraceId",
    "Links.SpanId",
    "Links.TraceState",
    "Links.Attributes",
)


_KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
_STATUSES = ("Unset", "Ok", "Error")


def as_text(value: Any) -> str:
    """An attribute's value, decoded, as the collector writes it into a map."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    return "" if value is None else _json(value)


def _json(value: Any) -> str:
    if isinstance(value, bytes):
        value = as_text(value) or None
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Mapping):
        items = (f"{_json(key)}:{_json(item)}" for key, item in sorted(value.items()))
        return f"{{{','.join(items)}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(map(_json, value))}]"
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _float(value: float) -> str:
    """The shortest digits, with an exponent only where JavaScript writes one."""
    if value and not 1e-6 <= abs(value) < 1e21:
        digits, _, exponent = repr(value).partition("e")
        return f"{digits.removesuffix('.0')}e{int(exponent):+d}"
    return format(Decimal(repr(value)), "f").removesuffix(".0")


def _value(value: Any) -> Any:
    """What an AnyValue says."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    said = getattr(value, kind)
    if kind == "array_value":
        return [_value(item) for item in said.values]
    if kind == "kvlist_value":
        return {item.key: _value(item.value) for item in said.values}
    return said


def _texts(attributes: Iterable[Any]) -> dict[str, str]:
    return {item.key: as_text(_value(item.value)) for item in attributes}


def rows(request: ExportTraceServiceRequest) -> Iterator[list[Any]]:
    """The rows of a request."""
    for resource in request.resource_spans:
        resource_texts = _texts(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield [
                    span.start_time_unix_nano,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.trace_state,
                    span.name,
                    _KINDS[span.kind],
                    resource_texts.get("service.name", ""),
                    resource_texts,
                    scope.scope.name,
                    scope.scope.version,
                    _texts(span.attributes),
                    (span.end_time_unix_nano - span.start_time_unix_nano) % 2**64,
                    _STATUSES[span.status.code],
                    span.status.message,
                    [event.time_unix_nano for event in span.events],
                    [event.name for event in span.events],
                    [_texts(event.attributes) for event in span.events],
                    [link.trace_id.hex() for link in span.links],
                    [link.span_id.hex() for link in span.links],
                    [link.trace_state for link in span.links],
                    [_texts(link.attributes) for link in span.links],
                ]


@dataclass
class Collected:
    """A collector's database.

    Attributes:
        name: Of the database.
        address: How a user names it.
    """

    name: str
    address: Address
    _client: Any
    _opened: list[Store] = field(default_factory=list)

    def take(self, request: ExportTraceServiceRequest) -> None:
        """Write what came."""
        self._client.insert(
            "otel_traces", list(rows(request)), column_names=COLUMNS, database=self.name
        )

    def prepare(self) -> None:
        """Make our view and tables."""
        self.execute(tables.script())

    def execute(self, script: str) -> None:
        """Run statements that end in semicolons, in this database."""
        self._client.command(f"USE {self.name}")
        lines = (line for line in script.splitlines() if not line.startswith("--"))
        for statement in "\n".join(lines).split(";\n"):
            if statement.strip():
                self._client.command(statement)

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        """What the database answers."""
        self._client.command(f"USE {self.name}")
        return list(self._client.query(question).result_rows)

    def open(self) -> Store:
        """The database as a store."""
        self._opened.append(open_store(self.address))
        return self._opened[-1]

    def close(self) -> None:
        """Leave nothing."""
        for store in self._opened:
            store.close()
        self._client.command(f"DROP DATABASE {self.name}")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Path]]:
    """The engine; it may have one folder in a process."""
    pytest.importorskip("chdb", reason=_NO_ENGINE)
    import clickhouse_connect  # noqa: PLC0415 - see above

    folder = tmp_path_factory.mktemp("clickhouse")
    client = clickhouse_connect.get_client(interface="chdb", path=str(folder))
    yield client, folder
    client.close()


_numbers = count(1)


@pytest.fixture
def collected(engine: tuple[Any, Path]) -> Iterator[Collected]:
    """An empty database as a collector makes it."""
    client, folder = engine
    name = f"otel{next(_numbers)}"
    client.command(f"CREATE DATABASE {name}")
    address = parse(f"clickhouse://localhost/{name}?interface=chdb&path={folder}")
    made = Collected(name, address, client)
    made.execute(TABLES.format(database=name))
    yield made
    made.close()


@dataclass
class Both:
    """The same spans in an embedded store and in a collector's database."""

    path: Path
    collected: Collected
    _writer: StoreWriter
    _opened: list[Store] = field(default_factory=list)

    def take(self, *spans: ReadableSpan) -> None:
        """Write spans into both."""
        assert self._writer.write_ended(spans)
        self.collected.take(encode_spans(spans))

    def open(self) -> tuple[Store, Store]:
        """Both, for reading."""
        self._opened.append(open_store(self.path))
        return self._opened[-1], self.collected.open()

    def close(self) -> None:
        """Close what was opened."""
        for store in self._opened:
            store.close()


@pytest.fixture
def both(path: Path, writer: StoreWriter, collected: Collected) -> Iterator[Both]:
    made = Both(path, collected, writer)
    yield made
    made.close()


class Receiver:
    """A collector's front: takes spans over HTTP and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.path == "/v1/traces":
                    receiver.requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(name="as_text")
def _as_text() -> Callable[[Any], str]:
    return as_text
