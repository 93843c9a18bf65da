"""What a span map's rows cost: the same spans by rows of a map, by rows in Python, and by hand."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks import ledger
from benchmarks.clock import timed
from benchmarks.result import Report, Row, added, ratio
from benchmarks.rows import ENGINE
from benchmarks.sameness import differences
from benchmarks.sides import PLAIN, USUAL, Flowspan, Side, sides
from benchmarks.telemetry import Telemetry
from benchmarks.tracing import once
from benchmarks.work import NODE, STEP
from flowspan.instrumentation.integration import Integration
from flowspan.instrumentation.spanmap.arguments import everything
from flowspan.instrumentation.spanmap.loading import load_map

MAPPED: Final = "flowspan, span map"
ROWS: Final = "flowspan, rows"
_MOST_RATIO: Final = 1.5

MAP: Final = """
engine = "toy"

[[rows]]
target = "benchmarks.engine:Engine.run"
kind = "run"
name = "article"

[[rows]]
target = "benchmarks.engine:Engine.step"
kind = "step"
name = "step"

[[rows]]
target = "benchmarks.engine:Node.execute"
kind = "node"
name = "{self.name}"
id = "{self.key}"

[[rows]]
target = "benchmarks.engine:Node.around"
kind = "node"
name = "{self.name}"
id = "{self.key}"

[[rows]]
target = "benchmarks.engine:Node.move_to"
transition = { watch = "self.status", cause = "{cause}", id = "{self.key}" }

[[rows]]
target = "benchmarks.engine:Agent.work"
kind = "agent"
name = "{self.name}"

[[rows]]
target = "benchmarks.engine:Agent.choose"
prompt = { name = "{result.name}", version = "{result.version}", reason = "only one" }

[[rows]]
target = "benchmarks.engine:Model.chat"
kind = "llm"
name = "{request['model']}"
[rows.attributes]
"gen_ai.provider.name" = "openai"
"server.address" = "api.openai.com"
"gen_ai.request.temperature" = "{request['temperature']}"
"gen_ai.request.max_tokens" = "{request['max_tokens']}"
[rows.result_attributes]
"gen_ai.response.id" = "{result['id']}"
"gen_ai.response.model" = "{result['model']}"
"gen_ai.response.finish_reasons" = "{result['finish_reasons']}"
[rows.usage]
input_tokens = "result['input_tokens']"
output_tokens = "result['output_tokens']"
cache_read_tokens = "result['cached_tokens']"
"""
"""What ``rows.py`` says in Python, as users say it."""


def integration(text: str = MAP) -> Integration:
    """A map as an integration."""
    with tempfile.TemporaryDirectory(prefix="flowspan-bench-") as folder:
        path = Path(folder, "map.toml")
        path.write_text(text)
        found, problems = load_map(str(path))
    if found is None or problems:
        raise SystemExit("\n".join(problems))
    return found


def with_map(telemetry: Telemetry) -> tuple[Side, ...]:
    """No tracing, OpenTelemetry by hand, rows in Python, and the same rows in a map."""
    pricer = ledger.loaded_pricer()
    return (
        *(side for side in sides(telemetry) if side.name in {PLAIN, USUAL}),
        Flowspan(telemetry, pricer, _looking_for_loops(ENGINE), name=ROWS),
        Flowspan(telemetry, pricer, integration(), name=MAPPED),
    )


def _looking_for_loops(engine: Integration) -> Integration:
    """With what rows of a map have by themselves: nodes are compared with those before."""
    rows = (
        replace(row, inputs=everything) if row.kind == "node" else row for row in engine.patches
    )
    return replace(engine, patches=tuple(rows))


def measure(report: Report, *, quick: bool) -> None:
    """Add the time of steps and nodes by rows of a map, as ratio to rows in Python."""
    telemetry = Telemetry()
    every = with_map(telemetry)
    for work in (STEP, NODE):
        report.differences += [
            f"{work.name}, by a span map: {each}" for each in differences(once(work), with_map)
        ]
        times = timed(work, every, 7 if quick else 15, telemetry)
        by_rows = added(times, ROWS, PLAIN).median
        by_hand = added(times, USUAL, PLAIN).median
        extra = added(times, MAPPED, PLAIN)
        times_rows = ratio(extra.median, by_rows)
        report.rows.append(
            Row(
                subject=f"{work.name}, by a span map",
                side=MAPPED,
                value=extra,
                unit=f"µs/{work.unit}",
                added=extra.median,
                ratio=times_rows,
                aim=f"≤ {_MOST_RATIO} times rows in Python",
                met=times_rows is not None and times_rows <= _MOST_RATIO,
            )
        )
        report.remarks.append(
            f"{work.name}: {extra.median:.0f} µs by a span map, {by_rows:.0f} by rows in Python, "
            f"{by_hand:.0f} by hand, without a look for loops."
        )
