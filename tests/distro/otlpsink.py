"""A collector for tests: takes OTLP over HTTP on loopback and keeps what came."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_MESSAGES: dict[str, Any] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


class OtlpSink:
    """Listens on a free port from its making until ``close``.

    Attributes:
        status: What is answered; set it to 503 to refuse.
    """

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self._requests: list[tuple[str, Any]] = []
        self._arrived = threading.Condition(threading.RLock())
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                if sink.status == 200:
                    sink.take(self.path, body)
                self.send_response(sink.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, path: str, body: bytes) -> None:
        with self._arrived:
            self._requests.append((path, _MESSAGES[path].FromString(body)))
            self._arrived.notify_all()

    def spans(self) -> list[Any]:
        return [span for _, span in self._of("/v1/traces")]

    def resources(self) -> list[dict[str, str]]:
        with self._arrived:
            return [
                {item.key: item.value.string_value for item in resource.resource.attributes}
                for path, message in self._requests
                if path == "/v1/traces"
                for resource in message.resource_spans
            ]

    def metric_names(self) -> set[str]:
        with self._arrived:
            return {
                metric.name
                for path, message in self._requests
                if path == "/v1/metrics"
                for resource in message.resource_metrics
                for scope in resource.scope_metrics
                for metric in scope.metrics
            }

    def sums(self, name: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The latest value of each series of a cumulative sum, by its attributes."""
        with self._arrived:
            return {
                tuple(sorted((item.key, item.value.string_value) for item in point.attributes)): (
                    point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
                )
                for path, message in self._requests
                if path == "/v1/metrics"
                for resource in message.resource_metrics
                for scope in resource.scope_metrics
                for metric in scope.metrics
                if metric.name == name
                for point in metric.sum.data_points
            }

    def log_names(self) -> list[str]:
        with self._arrived:
            return [
                entry.event_name
                for path, message in self._requests
                if path == "/v1/logs"
                for resource in message.resource_logs
                for scope in resource.scope_logs
                for entry in scope.log_records
            ]

    def wait_for_spans(self, count: int, timeout: float = 20) -> list[Any]:
        with self._arrived:
            self._arrived.wait_for(lambda: len(self.spans()) >= count, timeout)
        return self.spans()

    def _of(self, wanted: str) -> Iterator[tuple[str, Any]]:
        with self._arrived:
            for path, message in self._requests:
                if path != wanted:
                    continue
                for resource in message.resource_spans:
                    for scope in resource.scope_spans:
                        for span in scope.spans:
                            yield scope.scope.name, span

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
