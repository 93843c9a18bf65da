"""Traces built by hand, in seconds and with readable ids, and surfaces to print them on."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from flowspan.report.terminal.surface import Surface, surface
from flowspan.report.tree import Tree, TreeNode, build
from flowspan.store.records import EventRecord, RunRow, SpanRow

EPOCH = 1_795_151_564_000_000_000
TRACE = "4f1c2a9e" * 4


def _ns(seconds: float) -> int:
    return EPOCH + round(seconds * 1_000_000_000)


@dataclass
class TraceBuilder:
    """Collects the rows of one trace."""

    rows: list[SpanRow] = field(default_factory=list)

    def span(
        self,
        name: str = "work",
        start: float = 0.0,
        end: float | None = 1.0,
        parent: str | None = None,
        *,
        events: Iterable[tuple[str, float, Mapping[str, Any]]] = (),
        **columns: Any,
    ) -> str:
        """Add a span; returns its id."""
        span_id = columns.pop("span_id", None) or f"{len(self.rows) + 1:016x}"
        columns.setdefault("state", "open" if end is None else "done")
        self.rows.append(
            SpanRow(
                trace_id=TRACE,
                span_id=span_id,
                parent_id=parent,
                name=name,
                start_ns=_ns(start),
                end_ns=None if end is None else _ns(end),
                events=tuple(
                    EventRecord(name=event, time_ns=_ns(when), attrs=attributes)
                    for event, when, attributes in events
                ),
                **columns,
            )
        )
        return span_id

    def llm(self, start: float = 0.0, end: float | None = 1.0, **columns: Any) -> str:
        """Add a model call."""
        model = columns.pop("model", "gpt-5.4-mini")
        columns.setdefault("cost_status", None if columns.get("cost_usd") is None else "priced")
        columns.setdefault("attrs", {"gen_ai.request.model": model})
        return self.span(
            f"chat {model}",
            start,
            end,
            columns.pop("parent", None),
            kind="llm",
            operation="chat",
            request_model=model,
            **columns,
        )

    def tree(self, *, now: float = 0.0) -> Tree:
        """What the rows make."""
        return build(self.rows, now_ns=_ns(now))

    def node(self, span_id: str, *, now: float = 0.0) -> TreeNode:
        """One node of the tree."""
        return next(node for node in self.tree(now=now) if node.span.span_id == span_id)


@pytest.fixture
def trace() -> TraceBuilder:
    return TraceBuilder()


@pytest.fixture
def run_row() -> Callable[..., RunRow]:
    def make(**columns: Any) -> RunRow:
        start = _ns(columns.pop("start", 0.0))
        defaults: dict[str, Any] = {
            "trace_id": TRACE,
            "run_id": "run-1",
            "name": "invoke_workflow story",
            "workflow": "story",
            "engine": "writer",
            "service": "app",
            "status": "ok",
            "started_ns": start,
            "ended_ns": start + 2_000_000_000,
            "last_ns": start + 2_000_000_000,
        }
        return RunRow(**{**defaults, **columns})

    return make


@dataclass
class Screen:
    """A surface that keeps what is printed on it."""

    surface: Surface
    file: io.StringIO

    def shows(self, lines: Iterable[Any]) -> list[str]:
        """Print lines; returns them as they came out."""
        self.surface.print(*lines)
        return self.file.getvalue().splitlines()


class _Encoded(io.StringIO):
    """A text file that says its encoding."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


@pytest.fixture
def screen() -> Callable[..., Screen]:
    def make(width: int = 100, *, encoding: str = "utf-8", **environ: str) -> Screen:
        file = _Encoded(encoding)
        return Screen(surface(file, width=width, environ=environ), file)

    return make
