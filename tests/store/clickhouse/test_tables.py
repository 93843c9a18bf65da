"""Our view and tables in a collector's database."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from flowspan import semconv
from flowspan.store.clickhouse import database, tables
from flowspan.store.clickhouse.relations import CORE, TRACES_CORE, VIEW
from flowspan.store.clickhouse.selecting import COLUMNS, NARROW_COLUMNS, TIME
from flowspan.store.dialects import Bounds, spans
from flowspan.store.records import RunFilter
from flowspan.store.schema import SPAN_COLUMNS
from flowspan.store.statements import heads

SECOND = 10**9
BEGIN = 1_790_000_000 * SECOND
PAGE = Path(__file__).parents[3] / "docs" / "clickhouse.md"


def span(number: int, start_ns: int = BEGIN, **attributes: Any) -> ReadableSpan:
    known = {semconv.KIND: "run", semconv.RUN_ID: f"run-{number}", **attributes}
    return ReadableSpan(
        "run",
        context=SpanContext(number, number, is_remote=False),
        attributes=known,
        start_time=start_ns,
        end_time=start_ns + SECOND,
    )


def test_the_view_has_the_columns_that_questions_are_asked_of() -> None:
    assert {column.name for column in spans.c} | {TIME} == set(COLUMNS)
    assert set(tables.STORED_COLUMNS) < set(NARROW_COLUMNS) < set(COLUMNS)


def test_the_script_can_be_applied_again(both: Any) -> None:
    """Nothing is lost, and nothing is there twice."""
    both.collected.prepare()
    both.take(span(1))
    both.collected.execute(tables.script(keep_days=30))
    both.take(span(2))
    embedded, collected = both.open()

    assert embedded.runs() == collected.runs()
    assert both.collected.rows("SELECT count() FROM spans_core") == [(2,)]
    assert both.collected.rows("SELECT count() FROM traces_core") == [(2,)]


def test_a_repeated_delivery_is_one_row_after_a_merge(both: Any) -> None:
    both.collected.prepare()
    for _ in range(3):
        both.take(span(1))

    assert both.collected.rows("SELECT count() FROM spans_core FINAL") == [(1,)]
    both.collected.execute("OPTIMIZE TABLE spans_core FINAL;\nOPTIMIZE TABLE traces_core FINAL")
    assert both.collected.rows("SELECT count() FROM spans_core") == [(1,)]
    assert both.collected.rows("SELECT count() FROM traces_core") == [(1,)]


def test_the_tables_of_an_older_flowspan_get_the_columns_that_they_lack(both: Any) -> None:
    """And are read again as soon as they have them; what was in them stays."""
    lacking = [column.name for column in SPAN_COLUMNS if column.since > 1]
    lines = rf"^.*({'|'.join(lacking)}).*$\n"
    older = re.sub(lines, "", tables.script(), flags=re.MULTILINE)
    both.collected.execute(re.sub(r"^ALTER.*", "", older, flags=re.MULTILINE))
    waits: dict[str, Any] = {semconv.INTERRUPTION: "GraphInterrupt", semconv.CONVERSATION_ID: "a"}
    both.take(span(1, **waits))
    embedded, collected = both.open()
    assert embedded.runs() == collected.runs()

    both.collected.prepare()
    both.take(span(2, **waits))
    _, collected = both.open()

    assert both.collected.rows("SELECT count() FROM spans_core") == [(2,)]
    assert {run.run_id: run.status for run in collected.runs()} == {
        "run-1": "ok",
        "run-2": "paused",
    }
    both.collected.execute(_what_the_end_says())
    assert embedded.runs() == collected.runs()


def _what_the_end_says() -> str:
    comments = re.findall(
        r"^--   ((?:INSERT|SELECT|FROM|OPTIMIZE).*)$", tables.script(), re.MULTILINE
    )
    return "\n".join(comments)


def test_what_was_collected_before_can_be_put_into_the_tables(both: Any) -> None:
    """As the end of the script says; until then lists begin where the tables begin."""
    both.take(span(1))
    both.collected.prepare()
    both.take(span(2))
    embedded, collected = both.open()

    assert [run.run_id for run in collected.runs()] == ["run-2"]
    both.collected.execute(_what_the_end_says())
    assert embedded.runs() == collected.runs()


def test_rows_go_after_the_days_that_were_given(collected: Any) -> None:
    collected.execute(tables.script(keep_days=7))

    made = collected.rows(
        "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase() "
        "AND name IN ('spans_core', 'traces_core')"
    )

    assert all("toIntervalDay(7)" in engine for _, engine in made)
    assert len(made) == 2
    assert "TTL" not in tables.script()


def test_a_table_of_another_name_is_read(both: Any) -> None:
    """The exporter's setting ``traces_table_name``."""
    both.collected.execute("RENAME TABLE otel_traces TO spans_in")
    both.collected.execute(tables.script(collected="spans_in"))

    assert "FROM `spans_in`" in tables.script(collected="spans_in")
    assert both.collected.rows("SELECT count() FROM spans") == [(0,)]


@pytest.mark.parametrize("made", [VIEW, CORE, TRACES_CORE])
def test_what_an_older_flowspan_made_is_left_alone(both: Any, made: str) -> None:
    """It may lack a column; then the collector's own table is read."""
    both.take(span(1, BEGIN, **{semconv.WORKFLOW_NAME: "w"}))
    both.collected.execute(f"CREATE VIEW {made} AS SELECT TraceId AS trace_id FROM otel_traces")  # noqa: S608 - ours
    embedded, collected = both.open()

    assert embedded.runs(RunFilter(workflow="w")) == collected.runs(RunFilter(workflow="w"))
    assert len(collected.trace(f"{1:032x}", texts=True)) == 1


def test_a_view_alone_is_enough(both: Any) -> None:
    """As over a distributed table that has another name; long texts stay previews there."""
    both.collected.execute(
        "CREATE TABLE elsewhere AS otel_traces;\nCREATE VIEW other AS SELECT * FROM elsewhere"
    )
    both.collected.execute(tables.view("elsewhere"))
    both.take(span(1, prompt="x" * 2_000))
    both.collected.execute("INSERT INTO elsewhere SELECT * FROM otel_traces")
    both.collected.execute(
        "DROP TABLE otel_traces_trace_id_ts_mv;\nDROP TABLE otel_traces_trace_id_ts;\n"
        "DROP TABLE otel_traces"
    )
    embedded, collected = both.open()

    assert embedded.runs() == collected.runs()
    assert len(collected.trace(f"{1:032x}", texts=True)[0].attrs["prompt"]) == 201


def test_a_trace_is_looked_up_before_it_is_read(both: Any) -> None:
    """Where the collector's table of traces says when it was, no other day is read."""
    both.collected.execute("ALTER TABLE otel_traces DROP INDEX idx_trace_id")
    later = BEGIN + 86_400 * SECOND
    both.take(span(1), span(2, later))
    _, collected = both.open()

    known, unknown = (collected._bounds(f"{number:032x}") for number in (2, 3))

    assert (known.period, unknown.period) == ((later, later + SECOND), None)
    assert (parts_read(both.collected, known), parts_read(both.collected, unknown)) == (1, 2)


def parts_read(collected: Any, bounds: Bounds) -> int:
    """How many of the table's parts a question reads."""
    relations = database.survey(collected.address).relations
    engine = database.connect(collected.address)
    asked = relations.bounded(heads(bounds.trace_ids), bounds).compile(
        engine, compile_kwargs={"literal_binds": True}
    )
    engine.dispose()
    (estimate,) = collected.rows(f"EXPLAIN ESTIMATE {str(asked).replace('%%', '%')}")
    return int(estimate[2])


def test_a_trace_is_found_where_there_is_no_table_of_traces(both: Any) -> None:
    both.take(span(1))
    both.collected.execute(
        "DROP TABLE otel_traces_trace_id_ts_mv;\nDROP TABLE otel_traces_trace_id_ts"
    )
    _, collected = both.open()

    assert len(collected.trace(f"{1:032x}")) == 1
    assert collected._bounds(f"{1:032x}") == Bounds(trace_ids=(f"{1:032x}",), whole=True)


def test_the_questions_on_the_page_are_answered(both: Any) -> None:
    """With our tables beside the collector's."""
    both.collected.prepare()
    now = int(datetime.now(tz=UTC).timestamp()) * SECOND
    both.take(
        span(1, now, **{semconv.KIND: "llm", semconv.COST_USD: 0.5, semconv.PROMPT_NAME: "p"}),
        span(
            2,
            now,
            **{
                semconv.KIND: "node",
                semconv.STEP_NAME: "plan",
                semconv.WORKFLOW_NAME: "recursive-writer",
            },
        ),
    )
    questions = re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)

    assert [len(both.collected.rows(question)) for question in questions] == [1, 1, 1]
