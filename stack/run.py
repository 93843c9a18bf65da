"""The stack: all programs together on free ports of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from stack import addresses, asking, programs
from stack.ports import free_ports
from stack.program import Program

SOCKETS: Final = tuple(
    dict.fromkeys(each.socket for each in addresses.VARIABLES if each.form != "path")
)


class Stack:
    """A collector, Jaeger and Prometheus of one's own.

    ::

        with Stack(folder) as stack:
            subprocess.run([...], env={**os.environ, **stack.program_environment})
            stack.jaeger_api.services()

    Args:
        folder: Where they keep data and logs.
        configuration: The collector's.
        environ: Further variables for the configuration files.

    Attributes:
        place: Ports and folders.
        collector: The collector.
        jaeger: Jaeger.
        prometheus: Prometheus.
        jaeger_api: Questions to Jaeger.
        prometheus_api: Questions to Prometheus.
    """

    def __init__(
        self,
        folder: Path,
        configuration: Path = programs.ONE_NODE,
        *,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        ports = free_ports(SOCKETS)
        variables = addresses.environment(ports, _paths(folder))
        self.place = programs.Place(folder, ports, {**variables, **(environ or {})})
        self.prometheus = programs.prometheus(self.place)
        self.jaeger = programs.jaeger(self.place)
        self.collector = programs.collector(self.place, configuration)
        self.prometheus_api = asking.Prometheus(self.place.url("prometheus"))
        self.jaeger_api = asking.Jaeger(self.place.url("jaeger-query"))
        self._running = ExitStack()

    @property
    def programs(self) -> tuple[Program, ...]:
        """In the order of their start: each finds those that it needs."""
        return self.prometheus, self.jaeger, self.collector

    @property
    def endpoint(self) -> str:
        """Where programs send OTLP over HTTP."""
        return self.place.url("collector-http")

    @property
    def program_environment(self) -> dict[str, str]:
        """What makes a program send to this stack, and often."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def by_protocol(self, protocol: str) -> dict[str, str]:
        """What makes a program send everything by one of OTLP's protocols.

        Args:
            protocol: ``grpc`` or ``http/protobuf``.
        """
        socket = "collector-grpc" if protocol == "grpc" else "collector-http"
        return {
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.place.url(socket),
        }

    def start(self) -> Self:
        """Start all of them; if one does not, none stays.

        Raises:
            ProgramError: One did not start.
        """
        with self._running:
            for program in self.programs:
                self._running.callback(program.stop)
                program.start()
            self._running = self._running.pop_all()
        return self

    def stop(self) -> None:
        """Stop all of them, in reverse, so that what is under way still arrives."""
        self._running.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _paths(folder: Path) -> dict[str, Path]:
    return {
        "collector-queue": folder / "queue",
        "jaeger-store": folder / "jaeger",
        "jaeger-ui": programs.JAEGER_UI,
    }
