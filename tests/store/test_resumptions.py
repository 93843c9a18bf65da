"""Runs that wait for somebody, and what goes on with them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, SpanContext, Status, StatusCode
from sqlalchemy.dialects import sqlite

from flowspan import semconv
from flowspan.store import migrations, schema, statements
from flowspan.store.opening import open_for_writing
from flowspan.store.queries import Store, open_store
from flowspan.store.records import RunFilter, RunRow
from flowspan.store.rows import RowBuilder
from flowspan.store.writer import StoreWriter

BEGIN = 1_790_000_000 * 10**9
FIRST_COLUMNS = ", ".join(column.name for column in schema.SPAN_COLUMNS if column.since == 1)
_spans = count(1)


def run(  # noqa: PLR0913 - all that matters here
    trace: int,
    *,
    stopped: str | None = None,
    after: int | None = None,
    resumed: bool = False,
    conversation: str | None = "thread",
    inside: ReadableSpan | None = None,
    failed: bool = False,
    said: Mapping[str, Any] | None = None,
) -> ReadableSpan:
    """One run of a trace; ``after`` is the trace of the run that it is linked to."""
    known = {
        semconv.KIND: "run",
        semconv.ENGINE: "langgraph",
        semconv.RUN_ID: f"run-{trace}",
        semconv.CONVERSATION_ID: conversation,
        semconv.INTERRUPTION: stopped,
        semconv.RESUMED: resumed or after is not None or None,
        **(said or {}),
    }
    number = next(_spans)
    begin = BEGIN + number * 10**9
    return ReadableSpan(
        "invoke_workflow demo",
        context=SpanContext(trace, number, is_remote=False),
        parent=None if inside is None else inside.context,
        attributes={key: value for key, value in known.items() if value is not None},
        links=() if after is None else (Link(SpanContext(after, 1, is_remote=True)),),
        status=Status(StatusCode.ERROR) if failed else Status(),
        start_time=begin,
        end_time=begin + 10**9,
    )


@pytest.fixture
def stored(writer: StoreWriter, reading: Callable[[], Store]) -> Callable[..., list[RunRow]]:
    """Writes runs; what the store says of them, the oldest first."""

    def store(*spans: ReadableSpan) -> list[RunRow]:
        assert writer.write_ended(spans)
        return reading().runs()[::-1]

    return store


def told(runs: list[RunRow]) -> list[tuple[str, int | None, int | None]]:
    """Of each run its status, and the traces before it and after it."""
    return [(row.status, _number(row.resumes), _number(row.resumed_by)) for row in runs]


def _number(trace_id: str | None) -> int | None:
    return None if trace_id is None else int(trace_id, 16)


@pytest.mark.parametrize("word", ["GraphInterrupt", "GraphDrained", "HumanFeedbackPending"])
def test_a_run_that_stopped_until_somebody_resumes_it_is_paused(stored: Any, word: str) -> None:
    (row,) = stored(run(1, stopped=word))

    assert (row.status, row.interruption, row.conversation_id) == ("paused", word, "thread")
    assert row.ended_ns is not None


@pytest.mark.parametrize(
    "word",
    [
        "KeyboardInterrupt",
        "SystemExit",
        "CancelledError",
        "Cancelled",
        "GeneratorExit",
        "BaseException",
    ],
)
def test_one_that_was_ended_early_waits_for_nobody(stored: Any, word: str) -> None:
    (row,) = stored(run(1, stopped=word))

    assert (row.status, row.interruption) == ("ok", word)


def test_runs_without_a_conversation_are_known_by_their_links(stored: Any) -> None:
    """As of engines whose state the program keeps itself."""
    waits: dict[str, Any] = {"stopped": "ApprovalPending", "conversation": None}

    runs = stored(run(1, **waits), run(2, **waits), run(3, after=1, conversation=None))

    assert told(runs) == [("ok", None, 3), ("paused", None, None), ("ok", 1, None)]


def test_a_failure_is_a_failure(stored: Any) -> None:
    assert told(stored(run(1, stopped="GraphInterrupt", failed=True))) == [("error", None, None)]


def test_runs_name_those_before_and_after_them(stored: Any) -> None:
    """What somebody has resumed waits no more, also where it is not in the list itself."""
    runs = stored(
        run(1, stopped="GraphInterrupt"),
        run(2, stopped="GraphInterrupt", after=1),
        run(3, after=2),
        run(4, conversation="another", stopped="GraphInterrupt"),
    )

    assert told(runs) == [("ok", None, 2), ("ok", 1, 3), ("ok", 2, None), ("paused", None, None)]


def test_the_first_that_went_on_is_named(stored: Any) -> None:
    runs = stored(run(1, stopped="GraphInterrupt"), run(2, after=1), run(3, after=1))

    assert told(runs) == [("ok", None, 2), ("ok", 1, None), ("ok", 1, None)]


def test_a_run_that_failed_may_be_resumed_too(stored: Any) -> None:
    assert told(stored(run(1, failed=True), run(2, after=1)))[0] == ("error", None, 2)


def test_without_a_link_the_last_that_stopped_in_the_conversation_is_meant(stored: Any) -> None:
    """A process whose runs go to a collector's database cannot know those of others."""
    runs = stored(
        run(1, stopped="GraphInterrupt"),
        run(2, conversation="another", stopped="GraphInterrupt"),
        run(3, resumed=True, said={semconv.ENGINE: "another"}),
        run(4, resumed=True),
        run(5),
    )

    assert told(runs) == [
        ("ok", None, 4),
        ("paused", None, None),
        ("ok", None, None),
        ("ok", 1, None),
        ("ok", None, None),
    ]
    assert runs[2].resumed


def test_of_several_runs_in_a_trace_the_last_one_says_whether_it_waits(stored: Any) -> None:
    """A server's request or a notebook around them; runs inside a run say nothing of it."""
    request = run(1, said={semconv.KIND: "internal", semconv.RUN_ID: "none"}, conversation=None)
    first = run(1, inside=request, stopped="GraphInterrupt", said={semconv.RUN_ID: "a"})
    second = run(1, inside=request, after=1, stopped="GraphInterrupt", said={semconv.RUN_ID: "b"})
    within = run(1, inside=second, said={semconv.RUN_ID: "b"})

    assert told(stored(request, first, second, within)) == [("paused", None, None)]


def test_a_run_around_one_that_waits_has_ended(stored: Any) -> None:
    """The program went on: its own run does not wait."""
    outer = run(1, conversation=None)

    assert told(stored(outer, run(1, inside=outer, stopped="GraphInterrupt"))) == [
        ("ok", None, None)
    ]


def test_those_that_wait_can_be_asked_for(writer: StoreWriter, reading: Any) -> None:
    writer.write_ended(
        [run(1, stopped="GraphInterrupt"), run(2, after=1), run(3, stopped="GraphInterrupt")]
    )

    waiting = reading().runs(RunFilter(status=frozenset({"paused"})))

    assert [_number(row.trace_id) for row in waiting] == [3]
    assert reading().find_run(f"{1:032x}").resumed_by == f"{2:032x}"


@pytest.fixture
def of_the_first_form(path: Path) -> Iterator[Callable[[ReadableSpan], None]]:
    """Writes as a program does that was started before runs could be paused."""
    with pytest.MonkeyPatch.context() as older:
        older.setattr(migrations, "LATEST", 1)
        connection = open_for_writing(path, deadline=time.monotonic() + 10)
    known = [place for place, column in enumerate(schema.SPAN_COLUMNS) if column.since == 1]
    marks = ", ".join("?" * len(known))

    def write(span: ReadableSpan) -> None:
        entry = RowBuilder().ended(span)
        connection.execute(
            f"INSERT INTO span ({FIRST_COLUMNS}) VALUES ({marks})",  # noqa: S608 - our names
            [entry.span[place] for place in known],
        )
        connection.execute(schema.INSERT_TRACE, entry.trace)

    yield write
    connection.close()


def test_a_store_of_the_first_form_keeps_all_and_knows_which_runs_wait(
    path: Path, of_the_first_form: Callable[[ReadableSpan], None]
) -> None:
    """Its runs wait and go on as if they had been written today; what is damaged stays as it is."""
    for span in (
        run(1, stopped="GraphInterrupt"),
        run(2, after=1),
        run(3, stopped="GraphInterrupt"),
        run(4),
        run(5, stopped="GraphInterrupt"),
    ):
        of_the_first_form(span)
    question = f"SELECT {FIRST_COLUMNS} FROM span ORDER BY trace_id"  # noqa: S608 - our names
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE span SET attrs = '{{' || attrs WHERE run_id = 'run-5'")
        before = connection.execute(question).fetchall()

    with closing(open_store(path)) as store:
        found = store.runs()[::-1]

    assert told(found) == [
        ("ok", None, 2),
        ("ok", 1, None),
        ("paused", None, None),
        ("ok", None, None),
        ("ok", None, None),
    ]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(question).fetchall() == before
        assert connection.execute("PRAGMA user_version").fetchone() == (migrations.LATEST,)


def test_a_program_that_was_started_before_the_change_goes_on_writing(
    path: Path, of_the_first_form: Callable[[ReadableSpan], None]
) -> None:
    of_the_first_form(run(1))
    open_store(path).close()
    of_the_first_form(run(2))

    with closing(open_store(path)) as store:
        assert told(store.runs()) == [("ok", None, None), ("ok", None, None)]
        assert store.info().schema_version == migrations.LATEST


def test_what_is_before_and_after_runs_is_found_by_indexes(tmp_path: Path) -> None:
    """Not by reading all runs, for every page of a list."""
    asked = statements.resumptions(["1", "2"], ["thread"])
    sql = asked.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    with closing(open_for_writing(tmp_path / "runs.db", deadline=0.0)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()

    steps = [step for *_, step in plan]
    assert not [step for step in steps if step.startswith("SCAN")]
    assert {"span_resumes", "span_of_conversation"} <= set(" ".join(steps).split())
