"""Each alert speaks when it should and is silent when it should: by ``promtool test rules``."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from dashboards.alerts import ALERTS

RULES = Path(__file__).parents[2] / "prometheus" / "rules" / "flowspan.yaml"
BY_NAME = {alert.name: alert for alert in ALERTS}

RUN = 'service_name="agent", gen_ai_workflow_name="write"'
CALL = 'service_name="agent", gen_ai_request_model="m-1"'
RUNS = "flowspan_run_duration_seconds"
CALLS = "gen_ai_client_operation_duration_seconds"
COST = "flowspan_cost_usd_total"
UNPRICED = "flowspan_llm_calls_total"
DROPPED = "flowspan_telemetry_spans_dropped_total"
EXPORTER = 'job="flowspan-collector", exporter="otlp_grpc/jaeger"'


@dataclass(frozen=True)
class Case:
    """What Prometheus has, and what it should say of it.

    Attributes:
        alert: Which alert is asked for.
        at: When, since the first sample.
        series: Samples, one a minute (or every ``interval``), in promtool's notation.
        labels: Of the alert that should be there; ``None`` for silence.
        summary: What it says.
        interval: Time between two samples.
    """

    alert: str
    at: str
    series: dict[str, str]
    labels: dict[str, str] | None = None
    summary: str = ""
    interval: str = "1m"


def buckets(histogram: str, labels: str, fast: str, every: str) -> dict[str, str]:
    """A histogram of two buckets: below 1.28 seconds, and below 20.48."""
    return {
        f'{histogram}_bucket{{{labels}, le="1.28"}}': fast,
        f'{histogram}_bucket{{{labels}, le="20.48"}}': every,
        f'{histogram}_bucket{{{labels}, le="+Inf"}}': every,
        f"{histogram}_count{{{labels}}}": every,
    }


WORKFLOW = {"service_name": "agent", "gen_ai_workflow_name": "write"}
MODEL = {"service_name": "agent", "gen_ai_request_model": "m-1"}
SERVICE = {"service_name": "agent"}
QUEUE = {"job": "flowspan-collector", "exporter": "otlp_grpc/jaeger"}

CASES = {
    # --- error rate
    "a fifth of the runs of one long process fails": Case(
        "FlowspanRunsFail",
        "7m",
        {f"{RUNS}_count{{{RUN}}}": "8x40", f'{RUNS}_count{{{RUN}, error_type="E"}}': "2x40"},
        WORKFLOW,
        "20% of the runs of write (agent) fail",
    ),
    "processes of one run each are counted": Case(
        "FlowspanRunsFail",
        "10m",
        {
            f'{RUNS}_count{{{RUN}, instance="{number}", error_type="{error}"}}': "_x2 1"
            for number, error in enumerate(["E", "", "", "", "E"])
        },
        WORKFLOW,
        "40% of the runs of write (agent) fail",
    ),
    "it is over a quarter of an hour later": Case(
        "FlowspanRunsFail", "25m", {f'{RUNS}_count{{{RUN}, error_type="E"}}': "9x40"}
    ),
    "four runs prove nothing": Case(
        "FlowspanRunsFail", "10m", {f'{RUNS}_count{{{RUN}, error_type="E"}}': "4x40"}
    ),
    "a twentieth is borne": Case(
        "FlowspanRunsFail",
        "10m",
        {f"{RUNS}_count{{{RUN}}}": "19x40", f'{RUNS}_count{{{RUN}, error_type="E"}}': "1x40"},
    ),
    "failures of an hour ago are not those of a process that grows": Case(
        "FlowspanRunsFail",
        "90m",
        {f"{RUNS}_count{{{RUN}}}": "0+1x90", f'{RUNS}_count{{{RUN}, error_type="E"}}': "50x90"},
    ),
    # --- latency
    "runs are slower than in the day before": Case(
        "FlowspanRunsSlower",
        "1d50m",
        buckets(RUNS, RUN, "0+10x288 2880x12", "0+10x300"),
        WORKFLOW,
        "Runs of write (agent) take 19.52s",
        interval="5m",
    ),
    "runs as slow as ever are no news": Case(
        "FlowspanRunsSlower",
        "1d50m",
        buckets(RUNS, RUN, "0+0x300", "0+10x300"),
        interval="5m",
    ),
    "one slow run in half an hour proves nothing": Case(
        "FlowspanRunsSlower",
        "1d50m",
        buckets(RUNS, RUN, "0+1x288 288x12", "0+1x300"),
        interval="5m",
    ),
    "failed runs are not slow ones": Case(
        "FlowspanRunsSlower",
        "1d50m",
        buckets(RUNS, RUN, "0+10x300", "0+10x300")
        | buckets(RUNS, f'{RUN}, error_type="E"', "0x300", "0x288 0+10x12"),
        interval="5m",
    ),
    "a model is slower than in the day before": Case(
        "FlowspanModelSlower",
        "1d50m",
        buckets(CALLS, CALL, "0+10x288 2880x12", "0+10x300"),
        MODEL,
        "m-1 takes 19.52s for agent",
        interval="5m",
    ),
    # --- money
    "one process spends too much": Case(
        "FlowspanSpend",
        "1m",
        {f"{COST}{{{CALL}}}": "12.5x70"},
        SERVICE,
        "agent spent 12.50 dollars in an hour",
    ),
    "many processes of one sample together spend too much": Case(
        "FlowspanSpend",
        "30m",
        {f'{COST}{{{CALL}, instance="{number}"}}': f"_x{number} 0.4" for number in range(28)},
        SERVICE,
        "agent spent 11.20 dollars in an hour",
    ),
    "six dollars an hour are in order": Case(
        "FlowspanSpend", "5h", {f"{COST}{{{CALL}}}": "0+0.1x300"}
    ),
    "what was spent before is not spent again": Case(
        "FlowspanSpend", "2h", {f"{COST}{{{CALL}}}": "500x120"}
    ),
    "an outage of Prometheus is no spending": Case(
        "FlowspanSpend", "5h", {f"{COST}{{{CALL}}}": "500x60 _x230 500x20"}
    ),
    "a counter that starts anew is counted from there": Case(
        "FlowspanSpend",
        "3h",
        {f"{COST}{{{CALL}}}": "500x150 0+0.5x40"},
        SERVICE,
        "agent spent 14.50 dollars in an hour",
    ),
    "a call without a price is told": Case(
        "FlowspanUnpricedCalls",
        "1m",
        {f'{UNPRICED}{{{CALL}, gen_ai_provider_name="p", flowspan_cost_status="unpriced"}}': "3x9"},
        {**MODEL, "gen_ai_provider_name": "p"},
        "3 calls of m-1 have no price",
    ),
    "calls with a price are not": Case(
        "FlowspanUnpricedCalls",
        "5m",
        {f'{UNPRICED}{{{CALL}, flowspan_cost_status="priced"}}': "3x9"},
    ),
    # --- telemetry
    "dropped spans are told": Case(
        "FlowspanSpansDropped",
        "5m",
        {f'{DROPPED}{{service_name="agent"}}': "0x2 7x9"},
        SERVICE,
        "agent dropped 7 spans",
    ),
    "they are told of a process that only said so at its end": Case(
        "FlowspanSpansDropped",
        "5m",
        {f'{DROPPED}{{service_name="agent", instance="{number}"}}': "_x2 4" for number in (1, 2)},
        SERVICE,
        "agent dropped 8 spans",
    ),
    "that none was dropped is not told": Case(
        "FlowspanSpansDropped", "5m", {f'{DROPPED}{{service_name="agent"}}': "0x20"}
    ),
    "what the collector could not send is told": Case(
        "FlowspanCollectorLoses",
        "3m",
        {
            f"otelcol_exporter_send_failed_spans_total{{{EXPORTER}}}": "0 5x9",
            f"otelcol_exporter_enqueue_failed_spans_total{{{EXPORTER}}}": "0x9",
        },
        QUEUE,
        "The collector lost 5 items (otlp_grpc/jaeger)",
    ),
    "also where its counters have no suffix": Case(
        "FlowspanCollectorLoses",
        "3m",
        {f"otelcol_exporter_enqueue_failed_metric_points{{{EXPORTER}}}": "5x9"},
        QUEUE,
        "The collector lost 5 items (otlp_grpc/jaeger)",
    ),
    "a queue that stays full is told": Case(
        "FlowspanCollectorQueueFills",
        "7m",
        {
            f"otelcol_exporter_queue_size{{{EXPORTER}}}": "90x9",
            f"otelcol_exporter_queue_capacity{{{EXPORTER}}}": "100x9",
        },
        QUEUE,
        "The queue of otlp_grpc/jaeger is 90% full",
    ),
    "one that was full for a moment is not": Case(
        "FlowspanCollectorQueueFills",
        "7m",
        {
            f"otelcol_exporter_queue_size{{{EXPORTER}}}": "90x2 1x9",
            f"otelcol_exporter_queue_capacity{{{EXPORTER}}}": "100x9",
        },
    ),
}


def expected(case: Case) -> list[dict[str, dict[str, str]]]:
    if case.labels is None:
        return []
    alert = BY_NAME[case.alert]
    return [
        {
            "exp_labels": {"severity": alert.severity, **case.labels},
            "exp_annotations": {
                "summary": case.summary,
                "description": alert.description,
                "dashboard": f"/d/{alert.dashboard}",
            },
        }
    ]


@pytest.mark.parametrize("name", CASES)
def test_alert(name: str, binaries: dict[str, Path], tmp_path: Path) -> None:
    case = CASES[name]
    unit_test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "fuzzy_compare": True,
        "tests": [
            {
                "interval": case.interval,
                "input_series": [
                    {"series": series, "values": values} for series, values in case.series.items()
                ],
                "alert_rule_test": [
                    {
                        "eval_time": case.at,
                        "alertname": case.alert,
                        "exp_alerts": expected(case),
                    }
                ],
            }
        ],
    }
    file = tmp_path / "alerts.yaml"
    file.write_text(yaml.safe_dump(unit_test), encoding="utf-8")

    done = subprocess.run(
        [binaries["promtool"], "test", "rules", file], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_seen_to_speak() -> None:
    speaking = {case.alert for case in CASES.values() if case.labels is not None}

    assert speaking == set(BY_NAME)


def test_the_rules_are_in_the_form_that_prometheus_reads(binaries: dict[str, Path]) -> None:
    done = subprocess.run(
        [binaries["promtool"], "check", "rules", "--lint=all", RULES],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
