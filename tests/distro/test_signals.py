"""What is sent where, by the environment alone."""

from __future__ import annotations

import socket
from typing import Any

import pytest

RUN = "from ownengine import Engine\nprint(Engine().run(2))\n"
TREE = [("invoke_workflow own", "done"), ("run_step double", "done"), ("run_step double", "done")]

WATCH_CONNECTIONS = """
import sys

def hook(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"):
        sys.__stderr__.write(f"CONNECTION {args!r}\\n")

sys.addaudithook(hook)
"""


def test_without_any_setting_the_store_is_written_and_nothing_is_connected_to(place: Any) -> None:
    result = place.run(WATCH_CONNECTIONS + RUN)

    assert (result.returncode, result.stdout) == (0, "[0, 2]\n")
    assert result.stderr == ""
    assert place.stored() == TREE


def test_with_an_endpoint_traces_and_metrics_go_there_and_into_the_store(
    place: Any, sink: Any
) -> None:
    result = place.run(RUN, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)

    assert result.stderr == ""
    assert sorted(span.name for span in sink.spans()) == sorted(name for name, _ in TREE)
    assert {"flowspan.run.duration", "flowspan.node.duration"} <= sink.metric_names()
    assert sink.resources()[0]["service.name"] == "program"
    assert sink.resources()[0]["telemetry.distro.name"] == "flowspan"
    assert place.stored() == TREE


def test_each_process_is_an_instance_of_its_own_unless_the_user_names_it(
    place: Any, sink: Any
) -> None:
    def instances(**settings: str) -> set[str]:
        place.run(RUN, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, **settings)
        return {resource["service.instance.id"] for resource in sink.resources()}

    first = instances()
    both = instances()
    named = instances(OTEL_RESOURCE_ATTRIBUTES="service.instance.id=pod-1") - both

    assert (len(first), len(both)) == (1, 2)
    assert named == {"pod-1"}


def test_the_store_can_be_switched_off(place: Any, sink: Any) -> None:
    place.run(RUN, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, FLOWSPAN_STORE="off")

    assert len(sink.spans()) == 3
    assert place.stored() == []


def test_named_exporters_win(place: Any, sink: Any) -> None:
    place.run(RUN, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, OTEL_TRACES_EXPORTER="otlp")
    assert (len(sink.spans()), place.stored()) == (3, [])

    place.run(RUN, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, OTEL_TRACES_EXPORTER="flowspan,otlp")
    assert (len(sink.spans()), place.stored()) == (6, TREE)


def test_grpc_is_used_when_asked(place: Any) -> None:
    from concurrent import futures  # noqa: PLC0415

    import grpc  # noqa: PLC0415
    from opentelemetry.proto.collector.metrics.v1 import (  # noqa: PLC0415
        metrics_service_pb2,
        metrics_service_pb2_grpc,
    )
    from opentelemetry.proto.collector.trace.v1 import (  # noqa: PLC0415
        trace_service_pb2,
        trace_service_pb2_grpc,
    )

    arrived: list[str] = []

    class Traces(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
            arrived.extend(
                span.name
                for resource in request.resource_spans
                for scope in resource.scope_spans
                for span in scope.spans
            )
            return trace_service_pb2.ExportTraceServiceResponse()

    class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
            arrived.append("metrics")
            return metrics_service_pb2.ExportMetricsServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(2))
    add_traces: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add_metrics: Any = metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server
    add_traces(Traces(), server)
    add_metrics(Metrics(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        result = place.run(
            RUN,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        )
    finally:
        server.stop(None)

    assert (result.returncode, result.stderr) == (0, "")
    assert sorted(arrived) == [
        "invoke_workflow own",
        "metrics",
        "run_step double",
        "run_step double",
    ]


def test_events_go_to_logs_when_asked(place: Any, sink: Any) -> None:
    program = """
    from ownengine import Engine
    class Bad(Engine):
        def node(self, index): raise ValueError("bad")
    Engine.node = Bad.node
    try: Engine().run(1)
    except ValueError: pass
    """
    place.run(program, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, FLOWSPAN_EVENTS="log")

    assert sink.log_names() == ["exception"]
    assert [len(span.events) for span in sink.spans()] == [0]


def test_an_exporter_that_is_not_there_costs_a_sentence_and_the_store_is_written(
    place: Any,
) -> None:
    result = place.run(RUN, OTEL_TRACES_EXPORTER="flowspan,nosuch")

    assert (result.returncode, result.stdout) == (0, "[0, 2]\n")
    assert result.stderr.count("nosuch") >= 1
    assert "Traceback" not in result.stderr
    assert place.stored() == TREE


@pytest.mark.parametrize(
    "variable",
    ["OTEL_TRACES_EXPORTER", "OTEL_PYTHON_ID_GENERATOR", "OTEL_METRICS_EXPORTER"],
)
def test_what_the_environment_names_in_vain_leaves_the_store(place: Any, variable: str) -> None:
    result = place.run(RUN, **{variable: "nosuch"})

    assert (result.returncode, result.stdout) == (0, "[0, 2]\n")
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert "nosuch" in result.stderr
    assert "Only the embedded store is written" in result.stderr
    assert place.stored() == TREE


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "3"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "1"),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "1"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "0"),
    ],
)
def test_limits_of_spans_are_kept_without_a_word(place: Any, variable: str, value: str) -> None:
    result = place.run(RUN, **{variable: value})

    assert (result.stdout, result.stderr) == ("[0, 2]\n", "")
    assert place.stored() == TREE


@pytest.mark.parametrize("sampler", ["always_off", "parentbased_always_off"])
def test_what_is_not_sampled_runs_as_before(place: Any, sampler: str) -> None:
    result = place.run(RUN, OTEL_TRACES_SAMPLER=sampler)

    assert (result.stdout, result.stderr) == ("[0, 2]\n", "")
    assert place.stored() == []


def test_disabled_means_that_nothing_is_patched(place: Any) -> None:
    program = RUN + "print(type(vars(Engine)['run']).__name__)\n"
    result = place.run(program, OTEL_SDK_DISABLED="true")

    assert result.stdout == "[0, 2]\nfunction\n"
    assert place.stored() == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FLOWSPAN_DETAIL", "lots"),
        ("FLOWSPAN_SHUTDOWN_SECONDS", "soon"),
        ("FLOWSPAN_EVENTS", "paper"),
        ("FLOWSPAN_CONTENT", "some"),
        ("FLOWSPAN_STORE_MAX_MB", "-1"),
        ("FLOWSPAN_MAP", "no/such/map.toml"),
        ("FLOWSPAN_PRICES", "no/such/prices.json"),
        ("FLOWSPAN_STORE", "http://example.com/store"),
    ],
)
def test_a_wrong_value_stops_nothing_and_is_named_in_one_sentence(
    place: Any, variable: str, value: str
) -> None:
    result = place.run(RUN, **{variable: value})

    assert (result.returncode, result.stdout) == (0, "[0, 2]\n")
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert value in lines[0]
    assert "Traceback" not in result.stderr


def test_a_port_that_refuses_costs_the_program_nothing_but_the_bound(place: Any) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        result = place.run(RUN, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")

    assert (result.returncode, result.stdout) == (0, "[0, 2]\n")
    assert place.stored() == TREE
    lines = result.stderr.splitlines()
    assert len(lines) <= 2  # one sentence for traces, one for metrics, however often it was tried
    assert all(line.startswith("flowspan: an exporter has trouble") for line in lines)
