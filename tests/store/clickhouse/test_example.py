"""An example agent, traced once, is told the same from a collector's database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from flowspan import semconv
from flowspan.cli.group import flowspan
from flowspan.instrumentation.clients.wire.headers import RATE_LIMITS

EXAMPLES = Path(__file__).parents[3] / "examples"
SCRIPTS = Path(sys.executable).parent
KNOWN = frozenset(
    (*(value for value in vars(semconv).values() if isinstance(value, str)), *RATE_LIMITS.values())
)


def trace(folder: Path, endpoint: str) -> Path:
    """Run the example under ``opentelemetry-instrument``; returns its store."""
    store = folder / "store.db"
    writer = ("python", "-m", "recursive_writer", "honey", "--output", str(folder / "output"))
    subprocess.run(
        [
            *(sys.executable, "-m", "recursive_writer.offline", "--pace", "0", "--"),
            *("opentelemetry-instrument", *writer),
        ],
        cwd=EXAMPLES,
        env={
            **os.environ,
            "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
            "FLOWSPAN_STORE": str(store),
            "FLOWSPAN_DETAIL": "full",
            "FLOWSPAN_CONTENT": "full",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        },
        capture_output=True,
        check=True,
        timeout=60,
    )
    return store


def said(*arguments: object) -> str:
    """What a command prints."""
    asked = CliRunner().invoke(flowspan, [str(one) for one in arguments])
    assert asked.exit_code == 0, asked.output
    return asked.stdout


def as_collected(value: Any, as_text: Callable[[Any], str]) -> Any:
    """A document with those attributes as texts that the contract does not name."""
    if isinstance(value, list):
        return [as_collected(item, as_text) for item in value]
    if not isinstance(value, dict):
        return value
    form = {key: as_collected(item, as_text) for key, item in value.items()}
    if "attributes" in form:
        form["attributes"] = {
            key: item if key in KNOWN else as_text(item)
            for key, item in value["attributes"].items()
        }
    return form


def rounded(value: Any) -> Any:
    """A document whose sums do not depend on the order in which they were added up."""
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return round(value, 12) if isinstance(value, float) else value


def test_the_same_run_is_told_the_same(
    collected: Any,
    receiver: Any,
    tmp_path: Path,
    as_text: Callable[[Any], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By each command: as a list, as a tree with every event, and for machines."""
    file = trace(tmp_path, receiver.url)
    for request in receiver.requests:
        collected.take(request)
    address = f"clickhouse://localhost/{collected.name}"
    options = "?".join(("", "&".join(f"{k}={v}" for k, v in collected.address.options.items())))
    monkeypatch.setenv("FLOWSPAN_STORE", address + options)

    for command in (("runs",), ("show",), ("show", "--events", "--all")):
        assert said(*command) == said(*command, "--store", file), command
    for verb in ("runs", "show"):
        found, told = (json.loads(said(verb, "--json", *more)) for more in ((), ("--store", file)))
        assert rounded(found) == rounded(as_collected(told, as_text))
    assert len(found["spans"]) > 40
    assert found["totals"]["cost"]["usd"] > 0
