"""``FLOWSPAN_STORE`` may name a database, for readers: what a program makes of that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

RUN = "from ownengine import Engine\nprint(Engine().run(2))\n"
DATABASE = "clickhouse://reader:secret@clickhouse.example:8123/otel"


def files(folder: Path) -> set[str]:
    """What looks like a store, wherever a program may have put one."""
    return {found.name for found in folder.rglob("*") if ".db" in found.name}


def test_spans_go_to_the_collector_and_no_store_is_written(
    place: Any, sink: Any, tmp_path: Path
) -> None:
    """That is what was asked for, so nothing is said."""
    result = place.run(RUN, FLOWSPAN_STORE=DATABASE, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)

    assert (result.returncode, result.stdout, result.stderr) == (0, "[0, 2]\n", "")
    assert len(sink.spans()) == 3
    assert files(tmp_path) == set()


@pytest.mark.parametrize("exporters", ["", "flowspan", "none"])
def test_without_a_collector_one_sentence_says_so(
    place: Any, tmp_path: Path, exporters: str
) -> None:
    """The program runs on; the sentence names place and remedy, and not the password."""
    result = place.run(RUN, FLOWSPAN_STORE=DATABASE, OTEL_TRACES_EXPORTER=exporters)

    assert (result.returncode, result.stdout) == (0, "[0, 2]\n")
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert "clickhouse://reader@clickhouse.example:8123/otel is for readers" in result.stderr
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in result.stderr
    assert "secret" not in result.stderr
    assert files(tmp_path) == set()


def test_a_provider_of_the_programs_own_gets_no_store_either(place: Any, tmp_path: Path) -> None:
    source = """
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    trace.set_tracer_provider(TracerProvider())
    from flowspan.distro import FlowspanInstrumentor
    FlowspanInstrumentor().instrument()
    from ownengine import Engine
    print(Engine().run(2))
    """

    result = place.run(source, launcher=(), FLOWSPAN_STORE=DATABASE)

    assert (result.returncode, result.stdout, result.stderr) == (0, "[0, 2]\n", "")
    assert files(tmp_path) == set()
