"""A process that resumes a run finds it in the store, where another process had it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from flowspan import semconv
from flowspan.store.recall import Recall
from flowspan.store.writer import StoreWriter


def run(spans: Any, *, conversation: str, engine: str = "langgraph", run_id: str = "r") -> Any:
    return spans.tracer.start_span(
        "invoke_workflow demo",
        attributes={
            semconv.KIND: "run",
            semconv.ENGINE: engine,
            semconv.RUN_ID: run_id,
            semconv.CONVERSATION_ID: conversation,
        },
    )


def written(path: Path, *spans: ReadableSpan) -> Recall:
    writer = StoreWriter(path)
    writer.write_ended(list(spans))
    writer.close()
    return Recall(path)


def test_the_last_run_is_found(path: Path, spans: Any) -> None:
    """Of the engine's own conversation, whatever others there were since."""
    made = [
        run(spans, conversation="a", run_id="1"),
        run(spans, conversation="a", run_id="2"),
        run(spans, conversation="b", run_id="3"),
        run(spans, conversation="a", engine="crewai", run_id="4"),
    ]
    for span in made:
        span.end()
    recall = written(path, *made)

    found = recall("langgraph", "a")

    assert found is not None
    assert found.trace_id == made[1].context.trace_id
    assert found.span_id == made[1].context.span_id
    assert found.is_remote
    assert recall("langgraph", "c") is None


def test_the_outermost_run_is_meant(path: Path, spans: Any) -> None:
    """Runs inside it are of the same conversation, and not what is resumed."""
    outer = run(spans, conversation="a")
    inner = run(spans, conversation="a")
    inner.end()
    outer.end()

    found = written(path, inner, outer)("langgraph", "a")

    assert found is not None
    assert found.span_id == outer.context.span_id


def test_where_there_is_no_store_nobody_knows(path: Path) -> None:
    """Nothing is made by asking, and what cannot be read is the caller's to swallow."""
    assert Recall(path)("langgraph", "a") is None
    assert not path.exists()

    path.parent.mkdir()
    path.write_text("no database at all, but long enough to look like one" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        Recall(path)("langgraph", "a")
