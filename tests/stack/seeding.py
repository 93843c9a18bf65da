"""A few runs whose numbers are known.

Two go well, a refused request ends one, and one call is of a model that nobody knows.
Their metrics go through the real collector into the real Prometheus, which is asked what Grafana
would ask it.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from dashboards.lint import panels
from dashboards.substitution import filled
from flowspan.store.queries import open_store
from flowspan.store.records import SpanRow
from flowspan.testing import FakeProvider, Fault, LedgerEntry, Reply
from flowspan.usage import Usage
from stack.asking import get_json
from stack.run import Stack

ROOT = Path(__file__).parents[2]
BOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted((ROOT / "dashboards" / "json").glob("*.json"))
}
EXAMPLES = ROOT / "examples"
SERVICE = "seeded"
INTERVAL = 30
UNKNOWN = "nobody-knows-1"

WRITER = ("-m", "recursive_writer", "the bicycle", "--output", "output")
ASKING = f"""
import openai
with openai.OpenAI() as client:
    client.chat.completions.create(
        model={UNKNOWN!r}, messages=[{{"role": "user", "content": "who are you?"}}]
    )
"""


@dataclass
class Seeded:
    """What was done, what was charged, and where the numbers went.

    Attributes:
        stack: The programs.
        spans: All spans of the embedded store.
        charged: What the providers charged.
        began: Seconds of the epoch before the first run; a whole number of intervals.
    """

    stack: Stack
    spans: list[SpanRow]
    charged: list[LedgerEntry]
    began: int

    @property
    def ended(self) -> int:
        """Now, at the end of an interval: nothing of what was done is after it."""
        return self.began + math.ceil((time.time() - self.began) / INTERVAL) * INTERVAL

    def expr(self, target: dict[str, Any]) -> str:
        """A query of a panel as Grafana asks it, for the runs of these tests."""
        return filled(
            target["expr"],
            range_seconds=self.ended - self.began,
            interval_seconds=INTERVAL,
            chosen={"service": SERVICE},
        )

    def ask(self, target: dict[str, Any]) -> list[dict[str, Any]]:
        """What Prometheus answers to a query of a panel."""
        ended, expr = self.ended, self.expr(target)
        url = f"{self.stack.prometheus_api.url}/api/v1"
        if target["instant"]:
            answer = get_json(f"{url}/query", query=expr, time=str(ended))
            return [{**one, "values": [one["value"]]} for one in answer["data"]["result"]]
        answer = get_json(
            f"{url}/query_range",
            query=expr,
            start=str(self.began + INTERVAL),
            end=str(ended),
            step=str(INTERVAL),
        )
        return list(answer["data"]["result"])

    def panel(self, uid: str, title: str) -> list[list[dict[str, Any]]]:
        """The answers to the queries of a panel."""
        (found,) = (panel for panel in panels(BOARDS[uid]) if panel["title"] == title)
        return [self.ask(target) for target in found["targets"]]

    def number(self, uid: str, title: str) -> float:
        """The number of a panel that shows one."""
        ((series,),) = self.panel(uid, title)
        ((_, number),) = series["values"]
        return float(number)

    def grown(self, uid: str, title: str, *labels: str) -> dict[Any, float]:
        """What the bars of a panel add up to, by the values of labels."""
        return {
            tuple(series["metric"].get(label) for label in labels): sum(numbers(series))
            for series in self.panel(uid, title)[0]
        }

    def of_kind(self, *kinds: str) -> list[SpanRow]:
        """The spans of some kinds."""
        return [span for span in self.spans if span.kind in kinds]


def numbers(series: dict[str, Any]) -> list[float]:
    """The finite numbers of a series."""
    found = [float(value) for _, value in series["values"]]
    return [value for value in found if math.isfinite(value)]


# --- what is done ---------------------------------------------------------------------------------


def seed(stack: Stack, folder: Path) -> Seeded:
    """Run what is to be seen, and wait until Prometheus has it.

    Args:
        stack: The programs.
        folder: For the embedded store and the files of the example.
    """
    began = int(time.time()) // INTERVAL * INTERVAL - INTERVAL
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        Script: Any = import_module("recursive_writer.offline").Script  # noqa: N806 - a class
    with FakeProvider(respond=Script(0.2)) as provider:
        for ends_well in (True, True, False):
            _run(stack, folder, provider, WRITER, ends_well=ends_well)
        provider.respond = lambda request: Reply("I?", usage=Usage(input_tokens=9, output_tokens=2))
        _run(stack, folder, provider, ("-c", ASKING), ends_well=True)
        charged = list(provider.ledger)
    with open_store(folder / "traces.db") as store:
        spans = [span for run in store.runs() for span in store.trace(run.trace_id)]
    found = Seeded(stack, spans, charged, began)
    _arrived(found)
    return found


def _run(
    stack: Stack, folder: Path, provider: FakeProvider, program: tuple[str, ...], *, ends_well: bool
) -> None:
    script = provider.respond
    if not ends_well:
        provider.respond = lambda request: (
            Reply(fault=Fault.http(400))
            if request.text.startswith("Join") or script is None
            else script(request)
        )
    done = subprocess.run(
        [Path(sys.executable).parent / "opentelemetry-instrument", sys.executable, *program],
        cwd=folder,
        env={
            **os.environ,
            **stack.program_environment,
            **provider.environment,
            "PYTHONPATH": os.pathsep.join((str(EXAMPLES), *sys.path)),
            "FLOWSPAN_MAP": str(EXAMPLES / "recursive_writer" / "flowspan.toml"),
            "FLOWSPAN_STORE": str(folder / "traces.db"),
            "OTEL_SERVICE_NAME": SERVICE,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    provider.respond = script
    assert (done.returncode == 0) is ends_well, done.stderr


def _arrived(seeded: Seeded) -> None:
    """Wait until Prometheus has counted every call, and the collector has told of itself."""
    calls = len(seeded.of_kind("llm"))
    deadline = time.monotonic() + 60
    awaited = {
        f'sum(flowspan_llm_calls_total{{service_name="{SERVICE}"}})': calls,
        'count(count by (exporter)(otelcol_exporter_queue_size{exporter=~"otlp.*"}))': 2,
        'count({__name__=~"otelcol_exporter_sent_spans(_total)?"})': 1,
    }
    for expr, least in awaited.items():
        while (seeded.stack.prometheus_api.number(expr) or 0) < least:
            assert time.monotonic() < deadline, expr
            time.sleep(0.2)
