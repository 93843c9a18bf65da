from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from flowspan import config, semconv
from flowspan.errors import StoreError
from flowspan.store import retention
from flowspan.store.exporter import StoreSpanExporter
from flowspan.store.open_rows import OpenRowProcessor
from flowspan.store.opening import open_for_writing
from flowspan.store.retention import Limits, Pruner, prune, used_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from flowspan.store.queries import Store
    from flowspan.store.writer import StoreWriter
    from tests.store.conftest import Spans

DAY_NS = 86_400 * 10**9
NOW_NS = 1_800_000_000 * 10**9


def aged(span: ReadableSpan, days: float) -> ReadableSpan:
    """The same span, so many days before ``NOW_NS``."""
    span._start_time = int(NOW_NS - days * DAY_NS)
    span._end_time = span._start_time + 10**9
    return span


def names(store: Store) -> list[str]:
    return [run.name for run in store.runs()]


@pytest.fixture
def three(writer: StoreWriter, spans: Spans) -> None:
    writer.write_ended(
        [aged(spans.one(f"{days} days old", text="x" * 3_000), days) for days in (1, 10, 40)]
    )
    writer.close()


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("limits", "left"),
    [
        (Limits(), 3),
        (Limits(days=60), 3),
        (Limits(days=30), 2),
        (Limits(days=0.5), 0),
        (Limits(runs=2), 2),
        (Limits(runs=0), 0),
        (Limits(runs=5, days=5), 1),
        (Limits(megabytes=100), 3),
        (Limits(megabytes=0), 0),
    ],
)
def test_the_oldest_runs_beyond_a_limit_are_forgotten(
    limits: Limits, left: int, path: Path, reading: Callable[[], Store]
) -> None:
    forgotten = prune(path, limits, now_ns=NOW_NS)

    assert (forgotten.runs, forgotten.spans) == (3 - left, 3 - left)
    assert names(reading()) == ["1 days old", "10 days old", "40 days old"][:left]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM content").fetchone()[0] == left


def test_what_is_deleted_makes_the_file_smaller(
    path: Path, writer: StoreWriter, spans: Spans
) -> None:
    for days in range(20):
        writer.write_ended([aged(spans.one("w", text="x" * 60_000), days) for _ in range(20)])
    writer.close()
    before = path.stat().st_size

    forgotten = prune(path, Limits(megabytes=before / (1 << 20) / 2), now_ns=NOW_NS)

    assert path.stat().st_size < before * 0.55
    assert forgotten.bytes == before - path.stat().st_size
    assert 0 < forgotten.runs < 400


def test_a_run_of_many_spans_is_deleted_in_steps(
    path: Path, writer: StoreWriter, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "STEP_ROWS", 10)
    with spans.tracer.start_as_current_span("root"):
        for _ in range(34):
            with spans.tracer.start_as_current_span("work"):
                pass
    writer.write_ended(spans.ended())
    writer.close()
    with closing(open_for_writing(path, deadline=time.monotonic() + 5)) as connection:
        pruner = Pruner(path, Limits(runs=0))
        counts = []
        while pruner.step(connection):
            counts.append(connection.execute("SELECT count(*) FROM span").fetchone()[0])

    assert counts[:4] == [25, 15, 5, 0]
    assert (pruner.runs, pruner.spans) == (1, 35)


def test_a_run_that_is_under_way_is_never_forgotten(
    path: Path, reading: Callable[[], Store], spans: Spans
) -> None:
    exporter = StoreSpanExporter(path)
    assert exporter.writer is not None
    processor = OpenRowProcessor(exporter.writer)
    exporter.export([spans.one("done")])
    with spans.tracer.start_as_current_span("under way") as span:
        processor.on_start(span)  # type: ignore[arg-type]
        processor.force_flush()

        prune(path, Limits(runs=0))

        assert names(reading()) == ["under way"]
        exporter.shutdown()
        prune(path, Limits(runs=0))
        assert names(reading()) == []
    processor.shutdown()


def test_what_nothing_refers_to_is_removed_with_the_last_run(
    path: Path, writer: StoreWriter, spans: Spans
) -> None:
    old, new = aged(type(spans)().one(), 50), aged(spans.one(), 1)
    old._resource = old.resource.merge(type(old.resource)({"old": True}))
    for span in (old, new):
        writer.write_ended([span])
    with spans.tracer.start_as_current_span("open") as begun:
        writer.write_begun([begun])  # type: ignore[list-item]
    writer._connection.use().execute("UPDATE process SET seen_ns = 1")
    writer.write_ended(spans.ended())
    writer.close()

    prune(path, Limits(days=30), now_ns=NOW_NS)

    with closing(sqlite3.connect(path)) as connection:
        attrs = [row[0] for row in connection.execute("SELECT attrs FROM resource")]
        processes = connection.execute("SELECT count(*) FROM process").fetchone()[0]
    assert attrs == ['{"service.name":"test"}']
    assert processes == 0


def test_an_exporter_forgets_old_runs_when_it_begins(
    path: Path,
    writer: StoreWriter,
    spans: Spans,
    reading: Callable[[], Store],
    eventually: Callable[..., Any],
) -> None:
    old = spans.one("old")
    old._start_time = old._end_time = time.time_ns() - 40 * DAY_NS
    writer.write_ended([old])
    writer.close()
    exporter = StoreSpanExporter(path, settings=config.Settings(store_max_days=30))

    exporter.export([spans.one("new")])

    eventually(lambda: names(reading()) == ["new"])
    assert exporter._housekeeper is not None
    assert exporter._housekeeper._thread is not None
    exporter._housekeeper._thread.join()
    older = spans.one("older")
    older._start_time = older._end_time = time.time_ns() - 40 * DAY_NS
    exporter.export([older])
    assert names(reading()) == ["new", "older"]
    exporter.shutdown()


def test_a_program_that_ends_stops_forgetting(
    path: Path, writer: StoreWriter, spans: Spans
) -> None:
    writer.write_ended([aged(spans.one(), 400) for _ in range(200)])
    exporter = StoreSpanExporter(path)
    exporter.export([spans.one()])

    exporter.shutdown()

    assert exporter._housekeeper is not None
    assert exporter._housekeeper._thread is not None
    exporter._housekeeper._thread.join(5)
    assert not exporter._housekeeper._thread.is_alive()


def test_forgetting_goes_on_where_the_file_shrinks_by_many_pages(
    path: Path, writer: StoreWriter, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "STEP_PAGES", 3)
    writer.write_ended([spans.one("work", text="x" * 50_000) for _ in range(5)])
    writer.close()

    prune(path, Limits(runs=0))

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA freelist_count").fetchone()[0] == 0
        assert used_bytes(connection) == path.stat().st_size


def test_what_is_no_store_is_not_shortened(tmp_path: Path) -> None:
    path = tmp_path / "recipes.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE trace (name)")

    with pytest.raises(StoreError):
        prune(path, Limits(runs=0))


def test_the_limits_of_the_settings_are_the_exporters() -> None:
    settings = config.load({"FLOWSPAN_STORE_MAX_DAYS": "7", "FLOWSPAN_STORE_MAX_MB": "50"})

    assert StoreSpanExporter(settings=settings)._limits == Limits(days=7, megabytes=50)
    assert semconv.KIND == "flowspan.kind"
