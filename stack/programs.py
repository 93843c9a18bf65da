"""The three programs with the shipped configuration files: how each is started."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from stack.build import find
from stack.program import Program
from stack.recipes import ROOT

COLLECTOR_CONFIGURATIONS: Final = ROOT / "collector-config"
COMMON: Final = COLLECTOR_CONFIGURATIONS / "common.yaml"
"""What every collector has; a topology's own file comes second."""
ONE_NODE: Final = COLLECTOR_CONFIGURATIONS / "one-node.yaml"
GATEWAY: Final = COLLECTOR_CONFIGURATIONS / "gateway.yaml"
JAEGER_CONFIGURATION: Final = ROOT / "jaeger" / "config.yaml"
JAEGER_UI: Final = ROOT / "jaeger" / "ui.json"
PROMETHEUS_CONFIGURATION: Final = ROOT / "prometheus" / "prometheus.yml"

COMPOSE: Final = ROOT / "docker-compose.yml"


def prometheus_flags() -> list[str]:
    """What Prometheus takes on its command line only, from the compose file that says it.

    Places are left out: they are others here.
    """
    services = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
    flags: list[str] = services["prometheus"]["command"]
    return [flag for flag in flags if not flag.startswith(("--config.", "--storage."))]


class Place(NamedTuple):
    """Where programs of one stack listen and keep what they have.

    Attributes:
        folder: Of their data and logs.
        ports: Loopback port of each socket.
        environment: What their configuration files read.
    """

    folder: Path
    ports: Mapping[str, int]
    environment: Mapping[str, str]

    def url(self, socket: str, path: str = "") -> str:
        """Where a socket answers HTTP."""
        return f"http://127.0.0.1:{self.ports[socket]}{path}"

    def log(self, name: str) -> Path:
        """What a program printed."""
        return self.folder / f"{name}.log"


def collector(place: Place, configuration: Path = ONE_NODE) -> Program:
    """The OpenTelemetry collector."""
    return Program(
        "collector",
        (find("otelcol-flowspan"), "--config", COMMON, "--config", configuration),
        environment=place.environment,
        ready=place.url("collector-health"),
        log=place.log("collector"),
    )


def jaeger(place: Place) -> Program:
    """Jaeger, with its traces in a folder of its own."""
    return Program(
        "jaeger",
        (find("jaeger"), "--config", JAEGER_CONFIGURATION),
        environment=place.environment,
        ready=place.url("jaeger-query", "/api/v3/services"),
        log=place.log("jaeger"),
    )


def prometheus(place: Place) -> Program:
    """Prometheus, with its data in a folder of its own."""
    return Program(
        "prometheus",
        (
            find("prometheus"),
            f"--config.file={PROMETHEUS_CONFIGURATION}",
            f"--storage.tsdb.path={place.folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{place.ports['prometheus']}",
            *prometheus_flags(),
        ),
        environment=place.environment,
        ready=place.url("prometheus", "/-/ready"),
        log=place.log("prometheus"),
    )
