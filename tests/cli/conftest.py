"""A store with runs in it, written by the real exporter, and the command line in front of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Span, Status, StatusCode

from flowspan.cli.group import flowspan
from flowspan.store.exporter import StoreSpanExporter


@dataclass
class Recorder:
    """Writes runs into a store as a traced program does."""

    path: Path
    provider: TracerProvider

    def span(self, name: str, **attributes: Any) -> AbstractContextManager[Span]:
        """A span around what is done in it."""
        named = {key.replace("__", "."): value for key, value in attributes.items()}
        tracer = self.provider.get_tracer("tests")
        return tracer.start_as_current_span(name, attributes=named)

    def run(
        self, workflow: str = "story", *, cost: float | None = 0.25, fails: bool = False
    ) -> str:
        """A run of one node with one model call; returns its trace id."""
        with self.span(
            f"invoke_workflow {workflow}",
            flowspan__kind="run",
            flowspan__engine="writer",
            gen_ai__workflow__name=workflow,
        ) as run:
            with (
                self.span(
                    "run_step plan",
                    flowspan__kind="node",
                    gen_ai__step__name="plan",
                ),
                self.span(
                    "chat gpt-5.4-mini",
                    flowspan__kind="llm",
                    gen_ai__operation__name="chat",
                    gen_ai__request__model="gpt-5.4-mini",
                    gen_ai__usage__input_tokens=1200,
                    gen_ai__usage__output_tokens=34,
                    flowspan__cost__status="unpriced" if cost is None else "priced",
                ) as call,
            ):
                if cost is not None:
                    call.set_attribute("flowspan.cost.usd", cost)
            if fails:
                run.set_status(Status(StatusCode.ERROR, "no \x1b[31mmore\x1b[0m"))
                run.set_attribute("error.type", "Boom")
        return f"{run.get_span_context().trace_id:032x}"


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Callable[..., Recorder]]:
    """Makes recorders for one store; their runs belong to a ``flowspan run`` command if named."""
    providers = []

    def make(
        invocation: str | None = None, path: Path = tmp_path / "runs" / "traces.db"
    ) -> Recorder:
        exporter = StoreSpanExporter(path)
        known = {"service.name": "app"}
        if invocation is not None:
            known["flowspan.invocation"] = invocation
        provider = TracerProvider(resource=Resource(known))
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        providers.append(provider)
        return Recorder(path, provider)

    yield make
    for provider in providers:
        provider.shutdown()


@pytest.fixture
def store(recorder: Callable[..., Recorder]) -> Recorder:
    """A store with two runs in it: ``story``, and after it ``poem``, which failed."""
    made = recorder()
    made.run("story")
    made.run("poem", cost=None, fails=True)
    return made


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output, read."""
        return json.loads(self.out)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """Runs a command in this process."""

    def run(*arguments: object, columns: int = 100) -> Answer:
        monkeypatch.setenv("COLUMNS", str(columns))
        result: Result = CliRunner().invoke(flowspan, [str(one) for one in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    return run
