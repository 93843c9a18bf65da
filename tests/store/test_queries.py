from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

from flowspan import semconv
from flowspan.errors import RunNotFoundError, StoreTooNewError
from flowspan.store import queries
from flowspan.store.dialects import SQLITE
from flowspan.store.migrations import LATEST
from flowspan.store.queries import Store, open_store
from flowspan.store.records import EventRecord, LinkRecord, RunFilter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flowspan.store.writer import StoreWriter

SECOND = 10**9
BEGIN = 1_790_000_000 * SECOND


class Story:
    """Makes ended spans with ids and times that a test can name."""

    def __init__(self, writer: StoreWriter) -> None:
        self._writer = writer
        self._spans: list[ReadableSpan] = []

    def span(  # noqa: PLR0913 - all that a span may be
        self,
        name: str,
        *,
        trace: int = 1,
        id: int = 1,  # noqa: A002 - what it is
        parent: int | None = None,
        remote: bool = False,
        start: float = 0,
        end: float = 1,
        status: StatusCode = StatusCode.UNSET,
        message: str | None = None,
        resource: dict[str, Any] | None = None,
        **attributes: Any,
    ) -> Story:
        context = SpanContext(trace, id, is_remote=False, trace_flags=TraceFlags(1))
        above = None if parent is None else SpanContext(trace, parent, is_remote=remote)
        self._spans.append(
            ReadableSpan(
                name,
                context=context,
                parent=above,
                attributes={_ATTRIBUTES.get(key, key): value for key, value in attributes.items()},
                resource=Resource({"service.name": "program", **(resource or {})}),
                status=Status(status, message),
                start_time=BEGIN + int(start * SECOND),
                end_time=BEGIN + int(end * SECOND),
            )
        )
        return self

    def told(self) -> None:
        assert self._writer.write_ended(self._spans)
        self._spans = []


_ATTRIBUTES = {
    "kind": semconv.KIND,
    "run_id": semconv.RUN_ID,
    "workflow": semconv.WORKFLOW_NAME,
    "engine": semconv.ENGINE,
    "step": semconv.STEP_NAME,
    "input": semconv.USAGE_INPUT_TOKENS,
    "output": semconv.USAGE_OUTPUT_TOKENS,
    "cost": semconv.COST_USD,
    "cost_status": semconv.COST_STATUS,
    "estimated": semconv.USAGE_ESTIMATED,
    "error_type": semconv.ERROR_TYPE,
}


@pytest.fixture
def story(writer: StoreWriter) -> Story:
    return Story(writer)


def run(story: Story, number: int, **options: Any) -> None:
    """A run that began so many seconds after ``BEGIN``."""
    attributes = {"workflow": "writer", "engine": "engine", **options}
    story.span(
        "invoke_workflow",
        trace=number,
        start=number,
        end=number + 1,
        kind="run",
        run_id=f"run-{number:04}",
        **attributes,
    ).told()


def ids(store: Store, **wanted: Any) -> list[str | None]:
    return [found.run_id for found in store.runs(RunFilter(**wanted))]


def test_a_run_is_told_with_its_totals(story: Story, reading: Callable[[], Store]) -> None:
    (
        story.span("run", id=1, end=9, kind="run", run_id="r", workflow="w", engine="e")
        .span("step", id=2, parent=1, kind="step", step="first")
        .span("node", id=3, parent=2, kind="node", step="plan")
        .span("call", id=4, parent=3, kind="llm", input=100, output=10, cost=0.25)
        .span("call", id=5, parent=3, kind="llm", input=7, output=3, cost=0.5, estimated=True)
        .span("call", id=6, parent=3, kind="llm", input=1, output=1, cost_status="unpriced")
        .span("call", id=7, parent=3, kind="llm", input=1, output=1)
        .span("refused", id=8, parent=3, kind="llm")
        .span("tool", id=9, parent=3, kind="tool", input=1_000, cost=1_000.0)
        .told()
    )

    found = reading().runs()[0]

    assert (found.run_id, found.workflow, found.engine) == ("r", "w", "e")
    assert (found.service, found.name, found.status) == ("program", "run", "ok")
    assert (found.started_ns, found.ended_ns) == (BEGIN, BEGIN + 9 * SECOND)
    assert found.duration_ns == 9 * SECOND
    assert (found.spans, found.steps, found.nodes, found.llm_calls) == (9, 1, 1, 5)
    assert (found.input_tokens, found.output_tokens) == (109, 15)
    assert found.cost_usd == 0.75
    assert (found.unpriced_calls, found.estimated_calls) == (2, 1)


def test_a_cost_that_nobody_knows_is_absent(story: Story, reading: Callable[[], Store]) -> None:
    story.span("call", kind="llm", input=1).told()

    found = reading().runs()[0]

    assert (found.cost_usd, found.unpriced_calls) == (None, 1)


def test_errors_are_counted_where_they_began(story: Story, reading: Callable[[], Store]) -> None:
    failed = StatusCode.ERROR
    (
        story.span("run", id=1, status=failed, message="boom", kind="run", error_type="E")
        .span("node", id=2, parent=1, status=failed)
        .span("call", id=3, parent=2, status=failed)
        .span("node", id=4, parent=1, status=failed)
        .span("node", id=5, parent=1)
        .told()
    )

    found = reading().runs()[0]

    assert found.errors == 2
    assert (found.status, found.error_type, found.error_message) == ("error", "E", "boom")


def test_a_bare_model_call_is_a_run_without_an_engine(
    story: Story, reading: Callable[[], Store]
) -> None:
    story.span("chat gpt", kind="llm", input=3).told()

    found = reading().runs()[0]

    assert (found.name, found.run_id, found.engine, found.status) == ("chat gpt", None, None, "ok")
    assert found.llm_calls == 1


def test_a_run_inside_of_a_span_of_the_programs_gives_its_name(
    story: Story, reading: Callable[[], Store]
) -> None:
    story.span("main", id=1).span(
        "run", id=2, parent=1, kind="run", run_id="r", workflow="w", engine="e"
    ).told()

    found = reading().runs()[0]

    assert (found.name, found.run_id, found.workflow) == ("main", "r", "w")


@pytest.mark.parametrize("remote", [True, False])
def test_a_trace_whose_root_is_not_here_is_listed(
    remote: bool,  # noqa: FBT001 - a parameter of the test
    story: Story,
    reading: Callable[[], Store],
) -> None:
    """A parent in another process, or with another provider of this one, is no loss."""
    story.span("late", id=3, parent=99, remote=remote, start=2).span(
        "early", id=2, parent=99, remote=remote, start=1
    ).told()

    found = reading().runs()[0]

    assert (found.name, found.status, found.spans) == ("early", "ok", 2)
    assert [span.orphan for span in reading().trace(found.trace_id)] == [True, True]


def test_runs_are_listed_newest_first(story: Story, reading: Callable[[], Store]) -> None:
    for number in (3, 1, 2):
        run(story, number)

    assert ids(reading()) == ["run-0003", "run-0002", "run-0001"]
    assert ids(reading(), limit=2) == ["run-0003", "run-0002"]
    assert ids(reading(), limit=0) == []


def test_runs_that_began_at_the_same_time_are_all_listed(
    story: Story, reading: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_PAGE", 2)
    for number in range(1, 8):
        story.span("work", trace=number).told()

    found = reading().runs(RunFilter(limit=None))

    assert [int(one.trace_id, 16) for one in found] == [7, 6, 5, 4, 3, 2, 1]


def test_runs_are_filtered(story: Story, reading: Callable[[], Store]) -> None:
    run(story, 1)
    run(story, 2, workflow="other")
    run(story, 3, engine="second")
    run(story, 4, status=StatusCode.ERROR)
    run(story, 5, resource={semconv.INVOCATION: "abc"})
    store = reading()
    since = datetime.fromtimestamp(BEGIN / SECOND + 3, tz=UTC)

    assert ids(store, workflow="other") == ["run-0002"]
    assert ids(store, engine="second") == ["run-0003"]
    assert ids(store, status=frozenset({"error"})) == ["run-0004"]
    assert ids(store, status=frozenset({"ok", "running"}), limit=2) == ["run-0005", "run-0003"]
    assert ids(store, invocation="abc") == ["run-0005"]
    assert ids(store, since=since) == ["run-0005", "run-0004", "run-0003"]
    assert ids(store, since=since + timedelta(seconds=1)) == ["run-0005", "run-0004"]
    assert ids(store, workflow="none") == []


def test_runs_that_another_process_began_belong_to_the_command_as_well(
    story: Story, reading: Callable[[], Store]
) -> None:
    """A program under ``flowspan run`` may go on with the trace of who called it."""
    story.span(
        "work", parent=9, remote=True, run_id="r", resource={semconv.INVOCATION: "abc"}
    ).told()

    assert ids(reading(), invocation="abc") == ["r"]


def test_a_filter_by_status_looks_as_far_back_as_need_be(
    story: Story, reading: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_PAGE", 3)
    run(story, 1, status=StatusCode.ERROR)
    for number in range(2, 12):
        run(story, number)

    assert ids(reading(), status=frozenset({"error"}), limit=1) == ["run-0001"]


def test_a_run_is_found_by_how_its_id_begins(story: Story, reading: Callable[[], Store]) -> None:
    for number in (1, 2, 0xABC):
        run(story, number)
    store = reading()

    assert store.find_run("last").run_id == "run-2748"
    assert store.find_run("run-0002").run_id == "run-0002"
    assert store.find_run("run-2").run_id == "run-2748"
    assert store.find_run(f"{2:032x}").run_id == "run-0002"
    assert store.find_run(f"{0xABC:032X}").run_id == "run-2748"


def test_an_id_that_is_meant_exactly_wins(story: Story, reading: Callable[[], Store]) -> None:
    story.span("a", trace=1, kind="run", run_id="r").span(
        "b", trace=2, kind="run", run_id="r2"
    ).told()

    assert reading().find_run("r").name == "a"


def test_a_node_that_was_called_alone_is_found_by_its_run_id(
    story: Story, reading: Callable[[], Store]
) -> None:
    """It is in the list of runs, with an id, though no span of it is a run."""
    story.span("a", trace=1, kind="node", run_id="alone-1").told()

    assert reading().find_run("alone-1").name == "a"
    assert reading().find_run("alone").name == "a"


def test_what_means_no_run_or_several_is_said(
    story: Story, reading: Callable[[], Store], path: Path
) -> None:
    run(story, 1)
    run(story, 2)
    store = reading()

    with pytest.raises(RunNotFoundError, match=rf"no run or trace in the store {path}.*'nope'"):
        store.find_run("nope")
    with pytest.raises(RunNotFoundError, match=r"may mean several runs \(run-0002 of 2026-.*run-"):
        store.find_run("run-")
    with pytest.raises(RunNotFoundError, match="called ''"):
        store.find_run("")
    with pytest.raises(RunNotFoundError):
        store.find_run("run_00%")


def test_an_empty_store_has_no_last_run(writer: StoreWriter, reading: Callable[[], Store]) -> None:
    writer._connection.use()

    with pytest.raises(RunNotFoundError, match="has no runs yet"):
        reading().find_run("last")
    assert reading().runs() == []
    assert reading().trace("0" * 32) == []


def test_the_spans_of_a_trace_are_given_in_the_order_of_their_begin(
    story: Story, reading: Callable[[], Store]
) -> None:
    story.span("c", id=3, parent=1, start=2, kind="node", step="plan").span("a", id=1).span(
        "b", id=2, parent=1, start=1, kind="step", step="first", session_id="x"
    ).told()

    first, second, third = reading().trace(f"{1:032x}")

    assert [first.name, second.name, third.name] == ["a", "b", "c"]
    assert (first.parent_id, second.parent_id) == (None, first.span_id)
    assert not any(span.orphan for span in (first, second, third))
    assert (second.step, second.node) == ("first", None)
    assert (third.step, third.node) == (None, "plan")
    assert (first.duration_ns, first.state, first.model) == (SECOND, "done", None)


def test_long_texts_come_back_in_full_where_they_are_asked_for(
    writer: StoreWriter, reading: Callable[[], Store]
) -> None:
    prompt, messages = "p" * 2_000, ({"role": "user", "parts": ("m" * 2_000,)},)
    link = SpanContext(9, 8, is_remote=True)
    span = ReadableSpan(
        "call",
        context=SpanContext(1, 1, is_remote=False),
        attributes={"prompt": prompt, "messages": messages, "n": 1},
        links=[Link(link, {"why": "resumed"})],
        start_time=BEGIN,
        end_time=BEGIN,
    )
    from opentelemetry.sdk.trace import Event  # noqa: PLC0415 - only here

    span._events = [Event("first", {"a": 1}, BEGIN), Event("second", {"text": prompt}, BEGIN + 1)]
    writer.write_ended([span])

    cut, full = (reading().trace(f"{1:032x}", texts=texts)[0] for texts in (False, True))

    assert cut.attrs["prompt"] == "p" * 200 + "…"
    assert full.attrs == {
        "prompt": prompt,
        "messages": [{"role": "user", "parts": ["m" * 2_000]}],
        "n": 1,
    }
    assert full.events == (
        EventRecord(name="first", time_ns=BEGIN, attrs={"a": 1}),
        EventRecord(name="second", time_ns=BEGIN + 1, attrs={"text": prompt}),
    )
    assert cut.events[1].attrs["text"].endswith("p…")
    assert full.links == (
        LinkRecord(trace_id=f"{9:032x}", span_id=f"{8:016x}", attrs={"why": "resumed"}),
    )


def test_what_another_program_damaged_does_not_hide_the_rest(
    story: Story, path: Path, reading: Callable[[], Store]
) -> None:
    story.span("work", prompt="x" * 2_000).told()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE span SET attrs = '{', events = '7', links = '[1]'")
        connection.execute("UPDATE span SET name = CAST(x'ff' AS TEXT)")
        connection.execute("UPDATE content SET text = '{', is_json = 1")
        connection.commit()

    span = reading().trace(f"{1:032x}", texts=True)[0]

    assert (span.name, span.attrs, span.events, span.links) == ("\ufffd", {"prompt": "{"}, (), ())


def test_a_run_that_is_deleted_while_it_is_described_is_left_out(
    story: Story, path: Path, reading: Callable[[], Store]
) -> None:
    run(story, 1)
    run(story, 2)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM span WHERE trace_id = ?", (f"{1:032x}",))
        connection.commit()

    assert ids(reading()) == ["run-0002"]


def test_the_store_tells_about_itself(
    story: Story, path: Path, reading: Callable[[], Store]
) -> None:
    run(story, 1)
    run(story, 2)

    info = reading().info()

    assert (info.path, info.runs, info.spans) == (path, 2, 2)
    assert (info.schema_version, info.journal_mode) == (LATEST, "wal")
    assert info.oldest_ns == BEGIN + SECOND
    assert info.size_bytes > path.stat().st_size


def test_a_newer_store_is_refused(story: Story, path: Path) -> None:
    run(story, 1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")

    with pytest.raises(StoreTooNewError):
        open_store(path)


def test_an_engine_without_further_tables_is_asked_the_same_way(story: Story, path: Path) -> None:
    """A collector's database has no open rows, and keeps texts where they are."""
    run(story, 1)

    with Store(path, replace(SQLITE, contents=None, processes=None)) as store:
        assert ids(store) == ["run-0001"]
        assert len(store.trace(f"{1:032x}", texts=True)) == 1


def test_a_large_run_is_told_within_a_second_or_two(
    story: Story, reading: Callable[[], Store]
) -> None:
    import time  # noqa: PLC0415 - only here

    story.span("run", id=1, kind="run", run_id="r")
    for number in range(2, 10_002):
        story.span("call", id=number, parent=1, kind="llm", input=1, status=StatusCode.ERROR)
    story.told()
    store = reading()
    begun = time.process_time()

    found = store.runs()[0]
    spans = store.trace(found.trace_id)

    assert (found.errors, len(spans)) == (10_000, 10_001)
    assert time.process_time() - begun < 5
