"""Questions to the programs, by their public APIs."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any, Final

_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Loopback is never asked by a proxy."""
_NOT_FOUND: Final = 404
_SECONDS: Final = 30.0


def get_json(url: str, **query: str) -> Any:
    """What an address answers, as JSON; ``None`` where it answers that there is nothing.

    Args:
        url: The address.
        **query: Parameters of the query.

    Raises:
        urllib.error.URLError: It does not answer, or refuses.
    """
    encoded = f"?{urllib.parse.urlencode(query)}" if query else ""
    try:
        with _DIRECT.open(url + encoded, timeout=_SECONDS) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == _NOT_FOUND:
            return None
        raise


class Jaeger:
    """Jaeger's API v3, which answers in OTLP's JSON.

    Args:
        url: Where its page is.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def services(self) -> list[str]:
        """The services that it has traces of."""
        return list((get_json(f"{self.url}/api/v3/services") or {}).get("services") or ())

    def trace(self, trace_id: str) -> list[dict[str, Any]]:
        """The ``resourceSpans`` of a trace as they arrived; empty where it has none.

        Args:
            trace_id: 32 hex digits.
        """
        answer = get_json(f"{self.url}/api/v3/traces/{trace_id}", raw_traces="true")
        return _resource_spans(answer)

    def traces(self, service: str, *, most: int = 1000) -> list[dict[str, Any]]:
        """The ``resourceSpans`` of traces in which a service took part, of the last hour.

        Args:
            service: Its name.
            most: At most so many traces.
        """
        now = datetime.now(UTC)
        query = {
            "query.service_name": service,
            "query.start_time_min": _written(now - timedelta(hours=1)),
            "query.start_time_max": _written(now + timedelta(hours=1)),
            "query.num_traces": str(most),
            "query.raw_traces": "true",
        }
        return _resource_spans(get_json(f"{self.url}/api/v3/traces", **query))

    def trace_ids(self, service: str) -> set[str]:
        """The ids of those traces."""
        return {
            span["traceId"]
            for resource in self.traces(service)
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        }


class Prometheus:
    """Prometheus' query API.

    Args:
        url: Where it is.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query: series with ``metric`` and ``value``."""
        answer = get_json(f"{self.url}/api/v1/query", query=expression)
        return list(answer["data"]["result"])

    def number(self, expression: str) -> float | None:
        """The one number that an expression comes to; ``None`` where there is no series."""
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else None

    def exemplars(self, expression: str) -> list[dict[str, Any]]:
        """The exemplars of series, of the last hour: ``labels``, ``value``, ``timestamp``."""
        now = datetime.now(UTC)
        answer = get_json(
            f"{self.url}/api/v1/query_exemplars",
            query=expression,
            start=_written(now - timedelta(hours=1)),
            end=_written(now + timedelta(hours=1)),
        )
        return [exemplar for series in answer["data"] for exemplar in series["exemplars"]]


def _resource_spans(answer: Any) -> list[dict[str, Any]]:
    return list(((answer or {}).get("result") or {}).get("resourceSpans") or ())


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
