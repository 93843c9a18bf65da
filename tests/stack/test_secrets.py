"""Nothing of a corpus of secrets reaches Jaeger or Prometheus, whatever a program records.

With the default setting prompts are not recorded at all; where they are asked for, and in what
programs record themselves, the collector's redaction takes secrets out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stack.asking import get_json
from stack.run import Stack
from tests.stack.corpus import CORPUS, HARMLESS

HERE = Path(__file__).parent

CONTENT = {
    "default": {},
    "full": {"FLOWSPAN_CONTENT": "full"},
    "sdk": {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_and_event"},
}


@pytest.fixture(scope="module", params=CONTENT)
def leaked(
    request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """A careless program was run: its service, and what it was told about content."""
    service = f"careless-{request.param}"
    provider = ["-m", "flowspan.testing.provider", "--"]
    program = ["opentelemetry-instrument", "python", str(HERE / "careless.py")]
    subprocess.run(
        [sys.executable, *provider, *program],
        check=True,
        cwd=tmp_path_factory.mktemp("careless"),
        timeout=100,
        env={
            **os.environ,
            **stack.program_environment,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "FLOWSPAN_STORE": "off",
            "OTEL_SERVICE_NAME": service,
            "OTEL_RESOURCE_ATTRIBUTES": "started.by=kim.writer%2Bnews%40example.org",
            **CONTENT[request.param],
        },
    )
    return {"service": service, "content": request.param != "default"}


@pytest.fixture(scope="module")
def in_jaeger(stack: Stack, leaked: dict[str, Any]) -> list[dict[str, Any]]:
    """Its spans, when all have arrived."""
    expected = 2 * len(CORPUS)
    deadline = time.monotonic() + 60
    while len(found := spans_of(stack, leaked["service"])) < expected:
        assert time.monotonic() < deadline, f"{len(found)} of {expected} spans arrived"
        time.sleep(0.2)
    assert len(found) == expected
    return found


@pytest.fixture(scope="module")
def in_prometheus(stack: Stack, leaked: dict[str, Any]) -> str:
    """All that Prometheus would tell, when the program's metrics and its spans' are there."""
    names = ("careless_secrets_total", "careless_sizes_sum", "traces_span_metrics_calls_total")
    deadline = time.monotonic() + 60
    while any(
        not stack.prometheus_api.query(f'{name}{{job="{leaked["service"]}"}}') for name in names
    ):
        assert time.monotonic() < deadline, "the metrics did not arrive"
        time.sleep(0.2)
    url = stack.prometheus_api.url
    everything = '{__name__=~".+"}'
    series = get_json(f"{url}/api/v1/series", **{"match[]": everything})
    labels = get_json(f"{url}/api/v1/labels")
    return f"{series}{labels}{stack.prometheus_api.exemplars(everything)}"


def spans_of(stack: Stack, service: str) -> list[dict[str, Any]]:
    return [
        {**span, "resource": resource["resource"]}
        for resource in stack.jaeger_api.traces(service)
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def attributes(span: dict[str, Any]) -> dict[str, str]:
    return {each["key"]: json.dumps(each["value"]) for each in span["attributes"]}


def found_in(text: str) -> list[str]:
    """The kinds of secrets that are in a text, also as JSON would write them."""
    return [
        secret.kind
        for secret in CORPUS
        if secret.core in text or json.dumps(secret.core)[1:-1] in text
    ]


def test_no_secret_is_in_jaeger(in_jaeger: list[dict[str, Any]]) -> None:
    """Not in names, attributes, lists, events, exceptions, status messages or the resource."""
    assert found_in(json.dumps(in_jaeger, ensure_ascii=False)) == []


def test_no_secret_is_among_the_names_that_jaeger_lists(
    stack: Stack, leaked: dict[str, Any], in_jaeger: list[dict[str, Any]]
) -> None:
    operations = get_json(f"{stack.jaeger_api.url}/api/v3/operations", service=leaked["service"])

    assert operations["operations"]
    assert found_in(json.dumps(operations)) == []


def test_no_secret_is_on_the_disks_of_jaeger_and_collector(
    stack: Stack, in_jaeger: list[dict[str, Any]]
) -> None:
    """Nor in the queue, where data waits that was accepted."""
    files = [
        file
        for folder in ("jaeger", "queue")
        for file in (stack.place.folder / folder).rglob("*")
        if file.is_file()
    ]
    held = b"".join(file.read_bytes() for file in files)

    assert len(held) > 0
    assert [secret.kind for secret in CORPUS if secret.core.encode() in held] == []


def test_no_secret_is_in_prometheus(in_prometheus: str) -> None:
    """Not in labels of the program's metrics, of span metrics, or of exemplars."""
    assert found_in(in_prometheus) == []


def test_no_secret_is_in_what_the_collector_prints(stack: Stack, in_jaeger: object) -> None:
    assert found_in(stack.place.log("collector").read_text("utf-8")) == []


def test_what_is_no_secret_stays(in_jaeger: list[dict[str, Any]], in_prometheus: str) -> None:
    """Redaction takes out what it must and no more: names, texts and numbers are there."""
    own = [span for span in in_jaeger if span["name"].startswith("work ")]

    assert len(own) == len(CORPUS)
    assert all(HARMLESS in attributes(span)["note"] for span in own)
    assert all(HARMLESS in attributes(span)["notes"] for span in own)
    assert {span["status"]["message"].split()[0] for span in own} == {"failed"}
    assert all(span["events"][0]["name"].startswith("saw ") for span in own)
    assert not any("flowspan.shown" in key for span in in_jaeger for key in attributes(span))


def test_prompts_are_there_only_where_they_were_asked_for(
    leaked: dict[str, Any], in_jaeger: list[dict[str, Any]]
) -> None:
    calls = [attributes(span) for span in in_jaeger if span["name"] == "chat gpt-5-mini"]

    assert len(calls) == len(CORPUS)
    for call in calls:
        assert ("gen_ai.input.messages" in call) == leaked["content"]
        assert ("gen_ai.output.messages" in call) == leaked["content"]
        assert HARMLESS in call.get("gen_ai.input.messages", HARMLESS)
        assert float(json.loads(call["flowspan.cost.usd"])["doubleValue"]) > 0


def test_every_secret_is_recognised_in_a_text() -> None:
    """The corpus itself holds what it says, so that finding nothing means something."""
    assert [secret.kind for secret in CORPUS if secret.core not in secret.text] == []
    assert found_in("\n".join(secret.text for secret in CORPUS)) == [each.kind for each in CORPUS]
