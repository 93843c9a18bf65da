"""Reports as JSON: numbers are numbers, times are nanoseconds, money says how much it knows.

The shapes are documented in ``docs/cli.md``.  Keys are only ever added; a change of meaning raises
``VERSION``.  Nothing is nested deeper than a span's events, so that no depth of a trace is too much
for a reader.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from flowspan.report import amounts
from flowspan.report.findings import Finding, Section, problems
from flowspan.report.story import tell
from flowspan.report.summary import ModelUse, models, slowest
from flowspan.report.title import title
from flowspan.report.totals import Totals
from flowspan.report.tree import Tree, TreeNode
from flowspan.store.records import EventRecord, RunRow

VERSION: Final = 1
"""Of the shapes."""

Json = dict[str, Any]


def text(document: Mapping[str, Any]) -> str:
    """The document as text: UTF-8 safe ASCII, strict JSON (no NaN)."""
    return json.dumps(_finite(document), indent=2, default=str, allow_nan=False)


def runs(rows: Sequence[RunRow]) -> Json:
    """The answer of ``flowspan runs --json``."""
    return {"version": VERSION, "runs": [run(row) for row in rows]}


def run(row: RunRow) -> Json:
    """One run in a list."""
    usd = None if row.cost_usd is None else Decimal(str(row.cost_usd))
    return {
        "trace_id": row.trace_id,
        "run_id": row.run_id,
        "name": row.name,
        "workflow": row.workflow,
        "engine": row.engine,
        "service": row.service,
        "status": row.status,
        "error": _error(row),
        "interruption": row.interruption,
        "conversation_id": row.conversation_id,
        "resumed": row.resumed,
        "resumes": row.resumes,
        "resumed_by": row.resumed_by,
        "started": amounts.iso(row.started_ns),
        "start_ns": row.started_ns,
        "end_ns": row.ended_ns,
        "duration_ns": row.duration_ns,
        "spans": row.spans,
        "open_spans": row.open_spans,
        "steps": row.steps,
        "nodes": row.nodes,
        "llm_calls": row.llm_calls,
        "errors": row.errors,
        "tokens": _tokens(row.input_tokens, row.output_tokens, estimated=row.estimated_calls > 0),
        "cost": _cost(usd, row.unpriced_calls, row.llm_calls),
    }


def _error(row: RunRow) -> Json | None:
    if row.status != "error":
        return None
    return {"type": row.error_type, "message": row.error_message or None}


def _tokens(received: int, produced: int, *, estimated: bool) -> Json:
    return {"input": received, "output": produced, "estimated": estimated}


def _cost(usd: Decimal | None, unpriced_calls: int, calls: int) -> Json:
    """Money: ``usd`` is null where nothing is known, and a lower bound where calls are missing."""
    if usd is None:
        status = "unpriced" if unpriced_calls else "none"
    elif unpriced_calls:
        status = "partial"
    else:
        status = "priced" if usd or not calls else "free"
    return {
        "usd": None if usd is None else float(usd),
        "status": status,
        "unpriced_calls": unpriced_calls,
    }


def show(row: RunRow, tree: Tree) -> Json:
    """The answer of ``flowspan show --json``: the run, and its spans from top to bottom."""
    longest = slowest(tree)
    return {
        "version": VERSION,
        "run": run(row),
        "totals": totals(tree.totals),
        "models": [_model(use) for use in models(tree)],
        "slowest": None if longest is None else longest._asdict(),
        "spans": [_span(node) for node in tree.order],
    }


def totals(sums: Totals) -> Json:
    """Sums over a part of a run."""
    status = sums.cost_status
    return {
        "llm_calls": sums.llm_calls,
        "tokens": _tokens(sums.input_tokens, sums.output_tokens, estimated=sums.estimated),
        "cost": {
            "usd": None if status in {"none", "unpriced"} else float(sums.cost_usd),
            "status": status,
            "unpriced_calls": sums.unpriced_calls,
        },
        "errors": sums.failures,
        "retries": sums.retries,
        "open_spans": sums.open_spans,
    }


def _model(use: ModelUse) -> Json:
    return {"model": use.model, **totals(use.totals)}


def _span(node: TreeNode) -> Json:
    span = node.span
    name = title(span)
    story = tell(span)
    return {
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "depth": node.depth,
        "mark": node.mark,
        "name": span.name,
        "kind": span.kind,
        "title": name.name,
        "remark": name.remark or None,
        "state": span.state,
        "status": span.status,
        "error": story.error,
        "start_ns": span.start_ns,
        "end_ns": span.end_ns,
        "duration_ns": node.duration_ns,
        "self_ns": node.self_ns,
        "model": span.model,
        "provider": span.provider,
        "subtree": {"spans": node.spans, **totals(node.totals)},
        "prompts": [
            {"name": prompt.name, "version": prompt.version, "reason": prompt.reason}
            for prompt in story.prompts
        ],
        "states": [
            {"node_id": states.node_id or span.node_id, "path": list(states.path)}
            for states in story.states
        ],
        "routes": [{"to": route.to, "action": route.action} for route in story.routes],
        "attributes": dict(span.attrs),
        "events": [_event(event) for event in span.events],
    }


def findings(sections: Sequence[Section]) -> Json:
    """The answer of ``flowspan doctor --json``."""
    return {
        "version": VERSION,
        "problems": len(problems(sections)),
        "sections": [
            {"name": section.name, "findings": [_finding(one) for one in section.findings]}
            for section in sections
        ],
    }


def _finding(finding: Finding) -> Json:
    return {
        "level": finding.level,
        "subject": finding.subject,
        "text": finding.text,
        "remedy": finding.remedy or None,
        "data": dict(finding.data),
    }


def _event(event: EventRecord) -> Json:
    return {"name": event.name, "time_ns": event.time_ns, "attributes": dict(event.attrs)}


def _finite(value: Any) -> Any:
    """The value with infinite numbers and NaN, which JSON does not have, as text."""
    if isinstance(value, float) and not -_INFINITY < value < _INFINITY:
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


_INFINITY: Final = float("inf")
