"""The environment variables by which the shipped configuration files learn addresses.

There is one copy of each configuration file.  Under docker compose these variables name containers
and fixed ports; here they name free ports on loopback.  A ``LISTEN`` variable is where a program
listens, any other is where somebody else finds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple

Form = Literal["host:port", "url", "host", "port", "path"]


class Variable(NamedTuple):
    """One variable.

    Attributes:
        name: Its name.
        socket: The listening socket that it speaks of, or the path, by a short name.
        form: How the value is written.
        meaning: What it tells, and to whom.
    """

    name: str
    socket: str
    form: Form
    meaning: str


VARIABLES: Final[tuple[Variable, ...]] = (
    Variable(
        "COLLECTOR_LISTEN_OTLP_GRPC", "collector-grpc", "host:port", "collector: OTLP over gRPC"
    ),
    Variable(
        "COLLECTOR_LISTEN_OTLP_HTTP", "collector-http", "host:port", "collector: OTLP over HTTP"
    ),
    Variable("COLLECTOR_LISTEN_HEALTH", "collector-health", "host:port", "collector: health_check"),
    Variable(
        "COLLECTOR_LISTEN_METRICS_HOST", "collector-metrics", "host", "collector: its own metrics"
    ),
    Variable("COLLECTOR_LISTEN_METRICS_PORT", "collector-metrics", "port", "and their port"),
    Variable(
        "COLLECTOR_LISTEN_PROMETHEUS",
        "collector-prometheus",
        "host:port",
        "collector: metrics of programs and spans, where they are scraped instead of pushed",
    ),
    Variable("COLLECTOR_QUEUE_FOLDER", "collector-queue", "path", "collector: its queues"),
    Variable("JAEGER_LISTEN_OTLP_GRPC", "jaeger-grpc", "host:port", "Jaeger: OTLP over gRPC"),
    Variable("JAEGER_LISTEN_OTLP_HTTP", "jaeger-http", "host:port", "Jaeger: OTLP over HTTP"),
    Variable("JAEGER_LISTEN_QUERY_HTTP", "jaeger-query", "host:port", "Jaeger: page and API v3"),
    Variable("JAEGER_LISTEN_QUERY_GRPC", "jaeger-query-grpc", "host:port", "Jaeger: API by gRPC"),
    Variable("JAEGER_LISTEN_HEALTH", "jaeger-health", "host:port", "Jaeger: healthcheckv2"),
    Variable("JAEGER_LISTEN_METRICS_HOST", "jaeger-metrics", "host", "Jaeger: its own metrics"),
    Variable("JAEGER_LISTEN_METRICS_PORT", "jaeger-metrics", "port", "and their port"),
    Variable("JAEGER_STORE_FOLDER", "jaeger-store", "path", "Jaeger: its traces"),
    Variable("JAEGER_UI_CONFIG", "jaeger-ui", "path", "Jaeger: links and menus of its page"),
    Variable("JAEGER_OTLP_ENDPOINT", "jaeger-grpc", "host:port", "for the collector: gRPC"),
    Variable("PROMETHEUS_URL", "prometheus", "url", "for collector (OTLP) and Jaeger (Monitor)"),
)
"""All variables.  Prometheus itself takes its address on its command line."""


def written(form: Form, host: str, port: int) -> str:
    """An address in a form.

    Args:
        form: Any but ``path``.
        host: Where.
        port: At which port.
    """
    forms: dict[str, str] = {
        "host:port": f"{host}:{port}",
        "url": f"http://{host}:{port}",
        "host": host,
        "port": str(port),
    }
    return forms[form]


def environment(ports: Mapping[str, int], paths: Mapping[str, Path]) -> dict[str, str]:
    """What the configuration files read.

    Args:
        ports: Loopback port of each socket.
        paths: Of each file or folder.

    Returns:
        A value for each variable whose socket or path is given.
    """
    values: dict[str, str] = {}
    for variable in VARIABLES:
        if variable.socket in ports:
            values[variable.name] = written(variable.form, "127.0.0.1", ports[variable.socket])
        elif variable.socket in paths:
            values[variable.name] = str(paths[variable.socket])
    return values
