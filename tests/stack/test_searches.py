"""Every search of ``docs/jaeger-searches.md`` finds what it says, in the real Jaeger."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from stack.asking import get_json
from stack.recipes import ROOT
from stack.run import Stack

PAGE: Final = (ROOT / "docs" / "jaeger-searches.md").read_text("utf-8")
NOT_IN_THE_EXAMPLE: Final = {
    "gen_ai.response.finish_reasons",
    "flowspan.cost.status",
    "flowspan.usage.estimated",
    "flowspan.stream.abandoned",
    "flowspan.cache.hit",
    "flowspan.interruption",
}
"""Things that do not happen to the example agent: those searches are to find nothing."""
SERVICE: Final = "searched"
MICROSECONDS: Final = 1_000_000


def rows(title: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    section = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def tags(cell: str, run: str = "") -> dict[str, str]:
    """As Jaeger's page reads what is typed there."""
    typed = cell.strip("`").replace("{run}", run)
    words = shlex.split(typed.replace('["', "['").replace('"]', "']"), posix=True)
    pairs = (word.split("=", 1) for word in words)
    return {name: value.replace("[", '["').replace("]", '"]') for name, value in pairs}


@pytest.fixture(scope="module")
def searched(stack: Stack, example: Callable[[str], Any], until: Callable[..., Any]) -> Any:
    """A run of the example agent, all of which is in Jaeger."""
    agent = example(SERVICE)
    agent.run(stack, pace=0.5)
    spans = agent.stored()
    (trace_id,) = {span.trace_id for span in spans}

    def arrived() -> bool:
        found = stack.jaeger_api.trace(trace_id)
        return len(spans) == sum(
            len(scope["spans"]) for resource in found for scope in resource["scopeSpans"]
        )

    until(arrived)
    return spans


def found(stack: Stack, **query: str) -> list[str]:
    """The trace ids that Jaeger's page would list."""
    now = round(time.time() * MICROSECONDS)
    hour = 3600 * MICROSECONDS
    answer = get_json(
        f"{stack.jaeger_api.url}/api/traces",
        service=SERVICE,
        limit="20",
        start=str(now - hour),
        end=str(now + hour),
        **query,
    )
    return [trace["traceID"] for trace in answer["data"]]


@pytest.mark.parametrize("row", rows("By tags"), ids=lambda row: row[1].strip("`"))
def test_tags_find_what_they_say(stack: Stack, searched: Any, row: list[str]) -> None:
    run = searched[0].attrs["flowspan.run.id"]
    asked = tags(row[1], run)

    ids = found(stack, tags=json.dumps(asked))

    expected = [] if asked.keys() & NOT_IN_THE_EXAMPLE else [searched[0].trace_id]
    assert ids == expected
    assert found(stack, tags=json.dumps(asked | {next(iter(asked)): "something else"})) == []


@pytest.mark.parametrize(
    "row", rows("By operation and duration"), ids=lambda row: row[1].strip("`")
)
def test_operations_find_what_took_long(stack: Stack, searched: Any, row: list[str]) -> None:
    operation, duration = (cell.strip("`") for cell in row[1:])

    assert found(stack, operation=operation, minDuration=duration) == [searched[0].trace_id]
    assert found(stack, operation=operation, minDuration="1h") == []


def test_the_dearest_runs_are_found(stack: Stack, searched: Any) -> None:
    """By the program on the page."""
    program = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert program is not None
    ours = program[1].replace("http://127.0.0.1:16686", stack.jaeger_api.url)

    done = subprocess.run(
        [sys.executable, "-c", ours.replace("recursive-writer", SERVICE)],
        capture_output=True,
        text=True,
        check=True,
        env={"NO_PROXY": "127.0.0.1"},
    )

    (root,) = (span for span in searched if span.parent_id is None)
    cost, usd, _, _, ended, link = done.stdout.split()
    assert float(cost) == pytest.approx(root.attrs["flowspan.rollup.cost.usd"], abs=1e-4)
    assert (usd, ended) == ("USD", "well")
    assert link == f"{stack.jaeger_api.url}/trace/{root.trace_id}"


@pytest.mark.parametrize("kind", ["internal", "client"])
@pytest.mark.parametrize("metric", ["calls", "errors", "latencies"])
def test_the_monitor_tab_has_data(
    stack: Stack, searched: Any, until: Callable[..., Any], metric: str, kind: str
) -> None:
    """Names, units and labels of span metrics are those that Jaeger asks Prometheus for."""

    def points() -> list[float]:
        answer = get_json(
            f"{stack.jaeger_api.url}/api/metrics/{metric}",
            service=SERVICE,
            spanKind=kind,
            groupByOperation="true",
            quantile="0.95",
            endTs=str(round(time.time() * 1000)),
            lookback="600000",
            step="5000",
            ratePer="600000",
        )
        return [
            point["gaugeValue"]["doubleValue"]
            for each in answer["metrics"]
            for point in each["metricPoints"]
            if isinstance(point["gaugeValue"]["doubleValue"], float | int)
        ]

    numbers = until(lambda: [number for number in points() if number > 0])

    if metric == "latencies":
        assert max(numbers) < 60  # seconds; milliseconds would be thousands


def test_links_are_served_to_the_page(stack: Stack) -> None:
    """The page gets its configuration inside itself; without an own page there is a file."""
    links = json.loads((ROOT / "jaeger" / "ui.json").read_text("utf-8"))

    assert {pattern["type"] for pattern in links["linkPatterns"]} <= {"traces", "tags"}
    assert Path(stack.place.environment["JAEGER_UI_CONFIG"]) == ROOT / "jaeger" / "ui.json"
