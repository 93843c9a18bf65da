from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowspan import safety
from flowspan.store import schema
from flowspan.store.connection import StoreConnection
from flowspan.store.rows import RowBuilder, SpanEntry
from flowspan.store.writer import StoreWriter, shared_writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from flowspan.store.queries import Store
    from tests.store.conftest import Program, Spans


_COLUMNS = {"span": ", ".join(column.name for column in schema.SPAN_COLUMNS)}
"""In the order of rows: columns that migrations have added stand last in a file."""


def content_of(path: Path, tables: str = "trace span content") -> dict[str, list[Any]]:
    with closing(sqlite3.connect(path)) as connection:

        def rows(table: str) -> list[Any]:
            query = f"SELECT {_COLUMNS.get(table, '*')} FROM {table}"  # noqa: S608 - names of ours
            return sorted(connection.execute(query), key=repr)

        return {table: rows(table) for table in tables.split()}


class _Life:
    """The two rows of each of some spans."""

    def __init__(self, count: int) -> None:
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - made once

        rows = RowBuilder()
        ended: list[ReadableSpan] = []
        provider = TracerProvider()
        provider.add_span_processor(_collecting(ended))
        tracer = provider.get_tracer("tests")
        self.begun: list[SpanEntry] = []
        with tracer.start_as_current_span("root"):
            for number in range(count):
                attributes: Any = {"n": number, "text": "x" * 2_000}
                with tracer.start_as_current_span("work", attributes=attributes) as span:
                    self.begun.append(rows.begun(span, 7))  # type: ignore[arg-type]
                    span.set_attribute("end", value=True)
        self.ended = [rows.ended(span) for span in ended[:-1]]


def _collecting(ended: list[ReadableSpan]) -> Any:
    from opentelemetry.sdk.trace import SpanProcessor  # noqa: PLC0415 - see above

    class Collecting(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            ended.append(span)

    return Collecting()


_SPANS = 4
_LIFE = _Life(_SPANS)


@settings(max_examples=60)
@given(
    deliveries=st.lists(st.tuples(st.booleans(), st.integers(0, _SPANS - 1)), max_size=30),
    batch=st.integers(1, 5),
    random=st.randoms(use_true_random=False),
)
def test_neither_order_nor_repetition_changes_what_is_stored(
    tmp_path_factory: pytest.TempPathFactory,
    deliveries: list[tuple[bool, int]],
    batch: int,
    random: Any,
) -> None:
    """An ended span wins over an open one whenever it comes, and a repeat changes nothing."""
    entries = [(_LIFE.ended if ended else _LIFE.begun)[number] for ended, number in deliveries]
    shuffled = random.sample(entries, len(entries))
    found = []
    for some in (entries, shuffled):
        path = tmp_path_factory.mktemp("order") / "traces.db"
        connection = StoreConnection(path)
        connection.use()
        for start in range(0, len(some), batch):
            connection.write(some[start : start + batch])
        connection.close()
        found.append(content_of(path))

    assert found[0] == found[1]
    done = {number for ended, number in deliveries if ended}
    expected = [
        (_LIFE.ended if number in done else _LIFE.begun)[number].span
        for number in {number for _, number in deliveries}
    ]
    assert found[0]["span"] == sorted(expected, key=repr)
    assert len(found[0]["content"]) == len(done)


def test_a_span_that_ends_a_second_time_stays_as_it_was(
    writer: StoreWriter, spans: Spans, reading: Callable[[], Store]
) -> None:
    """A forked child may end a copy of a span of its parent's."""
    span = spans.one("first")
    writer.write_ended([span])
    span._name = "second"

    writer.write_ended([span])

    assert [run.name for run in reading().runs()] == ["first"]


def test_spans_that_were_stored_are_answered(
    writer: StoreWriter, spans: Spans, reading: Callable[[], Store]
) -> None:
    assert writer.write_ended([spans.one("one"), spans.one("two")])

    assert {run.name for run in reading().runs()} == {"one", "two"}


def test_writing_nothing_opens_nothing(writer: StoreWriter, path: Path) -> None:
    assert writer.write_ended([])
    assert writer.flush()
    assert not path.parent.exists()


def test_more_than_a_chunk_is_written_at_once(
    writer: StoreWriter, spans: Spans, reading: Callable[[], Store]
) -> None:
    assert writer.write_ended([spans.one() for _ in range(1_200)])

    assert reading().info().spans == 1_200


def test_a_span_that_cannot_be_made_into_a_row_leaves_the_others(
    writer: StoreWriter, spans: Spans, said: Callable[[], list[str]], reading: Callable[[], Store]
) -> None:
    safety.set_strict(strict=False)
    broken = spans.one("broken")
    broken._context = None

    assert writer.write_ended([spans.one("good"), broken])

    assert [run.name for run in reading().runs()] == ["good"]
    assert len(said()) == 1


def test_a_row_that_sqlite_refuses_leaves_the_others(
    writer: StoreWriter, spans: Spans, said: Callable[[], list[str]], reading: Callable[[], Store]
) -> None:
    good = spans.one("good")
    refused = spans.one("refused")
    refused._start_time = 1 << 80

    assert writer.write_ended([good, refused])

    assert [run.name for run in reading().runs()] == ["good"]
    assert said()[0].startswith("flowspan: a span cannot be stored and is left out")


def test_writers_of_several_threads_lose_nothing(
    writer: StoreWriter, spans: Spans, reading: Callable[[], Store]
) -> None:
    batches = [[spans.one() for _ in range(20)] for _ in range(16)]
    threads = [threading.Thread(target=writer.write_ended, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert reading().info().spans == 320


def test_two_programs_write_while_a_third_reads(
    program: Callable[..., Program], reading: Callable[[], Store], eventually: Callable[..., Any]
) -> None:
    source = """
        provider, tracer = tracer()
        say("ready")
        sys.stdin.readline()
        for number in range(300):
            with tracer.start_as_current_span("work"):
                pass
            time.sleep(0.001)
        provider.shutdown()
    """
    programs = [program(source) for _ in range(2)]
    for one in programs:
        one.hears("ready")
    for one in programs:
        one.tell()
    eventually(lambda: one.process and reading_or_none(reading))
    seen = [reading().info().spans for _ in range(20)]

    errors = [one.ends() for one in programs]

    assert errors == ["", ""]
    assert seen == sorted(seen)
    assert reading().info().spans == 600


def reading_or_none(reading: Callable[[], Store]) -> Store | None:
    from flowspan.errors import StoreError  # noqa: PLC0415 - only here

    try:
        return reading()
    except StoreError:
        return None


def test_a_process_has_one_writer_for_each_store(path: Path) -> None:
    writer = shared_writer(path)

    assert shared_writer(path) is writer
    assert shared_writer(path.with_name("other.db")) is not writer


def test_a_closed_writer_opens_again_when_there_is_something_to_write(
    writer: StoreWriter, spans: Spans, reading: Callable[[], Store]
) -> None:
    writer.write_ended([spans.one()])
    assert writer.close()

    assert writer.write_ended([spans.one()])

    assert reading().info().spans == 2


def test_a_reader_that_stays_does_not_keep_the_log_growing(
    writer: StoreWriter, path: Path, spans: Spans, reading: Callable[[], Store]
) -> None:
    writer.write_ended([spans.one()])
    store = reading()
    store.runs()

    for _ in range(40):
        writer.write_ended([spans.one("work", text="x" * 500) for _ in range(200)])

    assert path.with_name("traces.db-wal").stat().st_size < 8 << 20


def test_the_program_does_not_import_what_only_readers_need(
    program: Callable[..., Program],
) -> None:
    source = """
        provider, tracer = tracer()
        with tracer.start_as_current_span("work"):
            pass
        provider.shutdown()
        heavy = {"sqlalchemy", "click", "rich", "platformdirs"} & set(sys.modules)
        assert not heavy, heavy
    """

    assert program(source).ends() == ""


def test_every_value_of_a_row_has_its_column() -> None:
    assert all(len(entry.span) == len(schema.SPAN_COLUMNS) for entry in _LIFE.ended)
