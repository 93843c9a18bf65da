"""What flowspan's metrics and attributes are called in Prometheus.

Prometheus' default translation of OTLP: dots become underscores, a unit of seconds and the kind
of a counter are added to the name.  Units in braces add nothing.
"""

from __future__ import annotations

from typing import Final

from flowspan import semconv


def label(attribute: str) -> str:
    """The label of an attribute."""
    return attribute.replace(".", "_")


def _counter(name: str) -> str:
    return f"{label(name)}_total"


def _seconds(name: str) -> str:
    return f"{label(name)}_seconds"


# --- metrics ------------------------------------------------------------------------------------
RUN_DURATION: Final = _seconds(semconv.METRIC_RUN_DURATION)
RUN_COST: Final = label(semconv.METRIC_RUN_COST_USD)
RUNS_ACTIVE: Final = label(semconv.METRIC_RUNS_ACTIVE)
NODE_DURATION: Final = _seconds(semconv.METRIC_NODE_DURATION)
NODE_SELF: Final = _counter(semconv.METRIC_NODE_SELF_SECONDS)
TRANSITIONS: Final = _counter(semconv.METRIC_STATE_TRANSITIONS)
RETRIES: Final = _counter(semconv.METRIC_RETRIES)
LOOPS: Final = _counter(semconv.METRIC_LOOPS)
TOKENS: Final = _counter(semconv.METRIC_TOKENS)
COST: Final = _counter(semconv.METRIC_COST_USD)
COST_WITHOUT_CACHE: Final = _counter(semconv.METRIC_COST_WITHOUT_CACHE_USD)
CALLS: Final = _counter(semconv.METRIC_LLM_CALLS)
FINISHES: Final = _counter(semconv.METRIC_LLM_FINISHES)
CALL_DURATION: Final = _seconds(semconv.METRIC_OPERATION_DURATION)
FIRST_CHUNK: Final = _seconds(semconv.METRIC_TIME_TO_FIRST_CHUNK)
TOKEN_USAGE: Final = label(semconv.METRIC_TOKEN_USAGE)
TELEMETRY_ERRORS: Final = _counter(semconv.METRIC_TELEMETRY_ERRORS)
EVENTS_DROPPED: Final = _counter(semconv.METRIC_EVENTS_DROPPED)
SPANS_DROPPED: Final = _counter(semconv.METRIC_SPANS_DROPPED)

# --- labels -------------------------------------------------------------------------------------
SERVICE: Final = label(semconv.SERVICE_NAME)
WORKFLOW: Final = label(semconv.WORKFLOW_NAME)
STEP: Final = label(semconv.STEP_NAME)
PROVIDER: Final = label(semconv.PROVIDER_NAME)
MODEL: Final = label(semconv.REQUEST_MODEL)
OPERATION: Final = label(semconv.OPERATION_NAME)
ENGINE: Final = label(semconv.ENGINE)
ERROR: Final = label(semconv.ERROR_TYPE)
COST_STATUS: Final = label(semconv.COST_STATUS)
TOKEN_TYPE: Final = label(semconv.TOKEN_TYPE)  # tokens of text
FINISH_REASON: Final = label(semconv.FINISH_REASON)
STATE_FROM: Final = label(semconv.STATE_FROM)
STATE_TO: Final = label(semconv.STATE_TO)
INTEGRATION: Final = "integration"
OVERFLOW: Final = "otel_metric_overflow"

GROUPS: Final = frozenset(
    {
        SERVICE,
        WORKFLOW,
        STEP,
        PROVIDER,
        MODEL,
        OPERATION,
        ENGINE,
        ERROR,
        COST_STATUS,
        TOKEN_TYPE,
        FINISH_REASON,
        STATE_FROM,
        STATE_TO,
        INTEGRATION,
        "le",
        "exporter",
        "receiver",
        "job",
        "sampled",
    }
)
"""All labels that anything is grouped by: bounded ones, never an id."""
