"""Every panel shows something of a few runs, and the numbers are those of the providers' ledger.

The runs are those of the example: two that go well, one that a refused request ends, and a call of
a model that nobody knows.  Their metrics go through the real collector into the real Prometheus,
which is asked what Grafana would ask it.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from dashboards.lint import panels
from dashboards.substitution import filled
from flowspan.instrumentation.buckets import COST_USD, DURATION_SECONDS, RUN_SECONDS
from flowspan.pricing import Pricer
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
            tuple(series["metric"].get(label) for label in labels): sum(_numbers(series))
            for series in self.panel(uid, title)[0]
        }

    def of_kind(self, *kinds: str) -> list[SpanRow]:
        """The spans of some kinds."""
        return [span for span in self.spans if span.kind in kinds]


def _numbers(series: dict[str, Any]) -> list[float]:
    found = [float(value) for _, value in series["values"]]
    return [value for value in found if math.isfinite(value)]


# --- what is done ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seeded(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    folder = tmp_path_factory.mktemp("seeded")
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


# --- something in every panel ---------------------------------------------------------------------

EVERY_PANEL = [
    pytest.param(uid, panel["title"], id=f"{uid}: {panel['title']}")
    for uid, board in BOARDS.items()
    for panel in panels(board)
]


@pytest.mark.parametrize(("uid", "title"), EVERY_PANEL)
def test_every_panel_has_something_to_show(seeded: Seeded, uid: str, title: str) -> None:
    answers = seeded.panel(uid, title)

    assert [series for answer in answers for series in answer if _numbers(series)]


@pytest.mark.parametrize("uid", BOARDS)
def test_every_choice_has_values(seeded: Seeded, uid: str) -> None:
    for variable in BOARDS[uid]["templating"]["list"]:
        if variable["type"] != "query":
            continue
        query = variable["query"]
        selector, _, label = query.removeprefix("label_values(").removesuffix(")").rpartition(", ")
        filled_in = filled(selector, range_seconds=1, interval_seconds=1, chosen={})
        found = seeded.stack.prometheus_api.query(f"count by ({label})({filled_in})")

        assert [series for series in found if series["metric"].get(label)], query


def test_the_dots_of_graphs_lead_to_traces_of_the_runs(seeded: Seeded) -> None:
    known = {span.trace_id for span in seeded.spans}
    leading = [
        target
        for board in BOARDS.values()
        for panel in panels(board)
        for target in panel["targets"]
        if target.get("exemplar")
    ]

    assert leading
    for target in leading:
        found = seeded.stack.prometheus_api.exemplars(seeded.expr(target))
        assert found
        assert {one["labels"]["trace_id"] for one in found} <= known


# --- the ledger -----------------------------------------------------------------------------------


def cost(entries: Iterable[LedgerEntry], *, cached: bool = True) -> float:
    """What entries cost; those that nobody knows a price of are left out."""
    pricer = Pricer()
    total = Decimal(0)
    for entry in entries:
        usage = entry.usage
        if not cached:
            usage = replace(usage, cache_read_tokens=None, cache_write_tokens=None)
        price = pricer.price(usage, provider=entry.provider, model=entry.model, when=time.time())
        total += Decimal(0) if price is None else price.amount
    return float(total)


def test_the_money_is_the_ledgers(seeded: Seeded) -> None:
    spend = seeded.number("flowspan-money", "Spend")
    saved = seeded.number("flowspan-money", "Saved by caches")
    by_model = seeded.grown("flowspan-money", "By model", "gen_ai_request_model")

    priced = [entry for entry in seeded.charged if entry.model != UNKNOWN]
    models = {entry.model for entry in priced}
    assert spend == pytest.approx(cost(seeded.charged), rel=1e-9)
    assert spend > 0
    assert saved == pytest.approx(cost(priced, cached=False) - spend, rel=1e-9)
    assert saved > 0
    assert by_model == {
        (model,): pytest.approx(cost(entry for entry in priced if entry.model == model), rel=1e-9)
        for model in models
    }
    for title, label in (
        ("By provider", "gen_ai_provider_name"),
        ("By workflow", "gen_ai_workflow_name"),
        ("By node", "gen_ai_step_name"),
    ):
        assert sum(seeded.grown("flowspan-money", title, label).values()) == pytest.approx(spend)


def test_the_tokens_are_the_ledgers(seeded: Seeded) -> None:
    tokens = seeded.grown("flowspan-money", "Tokens", "gen_ai_token_type")

    parts = ("input", "output", "cache_read", "reasoning")
    assert tokens == {
        (part,): sum(getattr(entry.usage, f"{part}_tokens") or 0 for entry in seeded.charged)
        for part in parts
    }


def test_what_a_run_and_what_a_result_cost(seeded: Seeded) -> None:
    runs = cost(entry for entry in seeded.charged if entry.model != UNKNOWN)

    assert seeded.number("flowspan-runs", "Runs") == 3
    assert seeded.number("flowspan-runs", "Success") == pytest.approx(2 / 3)
    assert seeded.number("flowspan-runs", "Under way") == 0
    assert seeded.number("flowspan-runs", "Cost of runs") == pytest.approx(runs)
    assert seeded.number("flowspan-money", "Cost per run") == pytest.approx(runs / 3)
    assert seeded.number("flowspan-money", "Cost per successful run") == pytest.approx(runs / 2)


def test_what_nobody_knows_a_price_of_is_told(seeded: Seeded) -> None:
    (table,) = seeded.panel("flowspan-money", "Without a price")

    assert seeded.number("flowspan-money", "Unpriced calls") == 1
    assert [series["metric"]["gen_ai_request_model"] for series in table] == [UNKNOWN]
    assert seeded.grown(
        "flowspan-money", "Calls by what is known of their price", "flowspan_cost_status"
    ) == {("priced",): len(seeded.charged) - 1, ("unpriced",): 1}


# --- the store ------------------------------------------------------------------------------------


def quantile(share: float, bounds: tuple[float, ...], values: list[float]) -> float:
    """As Prometheus finds it in buckets: evenly spread between the bounds around it."""
    rank, below = share * len(values), 0
    for lower, upper in zip((0.0, *bounds), bounds, strict=False):
        upto = sum(value <= upper for value in values)
        if upto >= rank:
            return lower + (upper - lower) * (rank - below) / (upto - below)
        below = upto
    return bounds[-1]


def seconds(spans: list[SpanRow]) -> list[float]:
    return [((span.end_ns or 0) - span.start_ns) / 1e9 for span in spans]


def test_the_percentiles_are_those_of_the_spans(seeded: Seeded) -> None:
    runs, calls, nodes = (seconds(seeded.of_kind(kind)) for kind in ("run", "llm", "node"))
    _, middle, late, *_ = seeded.panel("flowspan-time", "Nodes")

    assert seeded.number("flowspan-runs", "Duration, 95 %") == pytest.approx(
        quantile(0.95, RUN_SECONDS, runs)
    )
    assert seeded.number("flowspan-models", "Duration, 95 %") == pytest.approx(
        quantile(0.95, DURATION_SECONDS, calls)
    )
    for share, answer in ((0.5, middle), (0.95, late)):
        found = {one["metric"]["gen_ai_step_name"]: _numbers(one)[0] for one in answer}
        assert found == {
            step: pytest.approx(quantile(share, RUN_SECONDS, seconds(of_step)))
            for step in {span.node for span in seeded.of_kind("node")}
            if (of_step := [span for span in seeded.of_kind("node") if span.node == step])
        }
    assert len(nodes) == seeded.number("flowspan-time", "Nodes passed")


def test_calls_errors_retries_and_transitions_are_those_of_the_spans(seeded: Seeded) -> None:
    calls = seeded.of_kind("llm")
    failed = [span for span in calls if span.error_type is not None]

    assert seeded.number("flowspan-models", "Calls") == len(calls)
    assert seeded.number("flowspan-models", "Failed calls") == pytest.approx(
        len(failed) / len(calls)
    )
    assert seeded.grown(
        "flowspan-models", "Errors", "gen_ai_request_model", "error_type"
    ) == Counter((span.request_model, span.error_type) for span in failed)
    assert seeded.grown(
        "flowspan-time", "Transitions over time", "flowspan_state_from", "flowspan_state_to"
    ) == Counter(
        (event.attrs["flowspan.state.from"], event.attrs["flowspan.state.to"])
        for span in seeded.spans
        for event in span.events
        if event.name == "flowspan.state.transition"
    )
    assert seeded.number("flowspan-time", "Retries") == sum(
        event.name == "flowspan.retry" for span in seeded.spans for event in span.events
    )


def test_own_time_adds_up_to_the_time_of_the_nodes(seeded: Seeded) -> None:
    """The nodes of the example are not nested: their own time is all of their time."""
    own = seeded.grown("flowspan-time", "Share of own time", "gen_ai_step_name")

    assert sum(own.values()) == pytest.approx(sum(seconds(seeded.of_kind("node"))))
    assert seeded.number("flowspan-time", "Own time of nodes") == pytest.approx(sum(own.values()))


def test_the_cost_of_a_run_is_found_in_its_buckets(seeded: Seeded) -> None:
    spent = [float(span.attrs["flowspan.rollup.cost.usd"]) for span in seeded.of_kind("run")]
    (half, *_) = seeded.panel("flowspan-runs", "Cost of a run")
    highest = max(number for series in half for number in _numbers(series))

    assert highest <= quantile(1.0, COST_USD, spent)
    assert highest > 0


def test_nothing_was_lost(seeded: Seeded) -> None:
    """A health page that is all zeros says so of a stack that is well."""
    for title in ("Spans dropped", "Events left out", "Errors swallowed", "Overflow series"):
        assert seeded.number("flowspan-health", title) == 0, title
