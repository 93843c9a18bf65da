"""Tests of engines whose own spans are adopted, or that small tables of rows make visible.

Each plays the same little thing on an engine, alone and watched; what is compared is what the
program gets, what the model was asked, and what the provider charged.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import inspect
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

import pytest
from adopted_programs import PROGRAMS, Program
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from traces import threaded

from flowspan import semconv
from flowspan.instrumentation import discovery
from flowspan.instrumentation.integration import Integration
from flowspan.testing import FakeProvider, Fault, Ledger, Recording

os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")  # asked when it is imported

EXAMPLES: Final = Path(__file__).resolve().parents[3] / "examples"
INTEGRATIONS: Final = tuple(discovery.built_in())


class Relay(trace.TracerProvider):
    """The provider that engines find, which is set once per process: gives to the recording."""

    to: trace.TracerProvider = trace.NoOpTracerProvider()

    def get_tracer(self, *args: Any, **kwargs: Any) -> Any:
        return _RelayTracer(args, kwargs)


class _RelayTracer(trace.Tracer):
    def __init__(self, args: Any, kwargs: Any) -> None:
        self._asked = args, kwargs

    def _tracer(self) -> trace.Tracer:
        args, kwargs = self._asked
        return Relay.to.get_tracer(*args, **kwargs)

    def start_span(self, *args: Any, **kwargs: Any) -> Any:
        return self._tracer().start_span(*args, **kwargs)

    @contextmanager
    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Iterator[Any]:  # type: ignore[override]  # of two kinds of context managers
        with self._tracer().start_as_current_span(*args, **kwargs) as span:
            yield span


class Outcome(NamedTuple):
    """What a program got, and what it asked for."""

    result: Any
    asked: list[str]
    ledger: Ledger


def played(
    program: Program, monkeypatch: pytest.MonkeyPatch, *, times: int = 1, fails: bool = False
) -> Outcome:
    """Play a program against a provider of its own."""
    respond = importlib.import_module(f"{program.engine}_weather.answers").respond
    with FakeProvider(respond=respond) as provider:
        if fails:
            provider.fail(Fault.http(400), times=50)
        for name, value in provider.environment.items():
            monkeypatch.setenv(name, value)
        result = _result(program.act, times)
        asked = sorted(json.dumps(each.body, sort_keys=True) for each in provider.requests)
        return Outcome(result, asked, Ledger.from_json(provider.ledger.to_json()))


def _result(act: Callable[[], Any], times: int) -> Any:
    async def all_at_once() -> Any:
        return await asyncio.gather(*(act() for _ in range(times)))

    try:
        return asyncio.run(all_at_once()) if inspect.iscoroutinefunction(act) else act()
    except Exception as error:  # noqa: BLE001 - an engine's own, compared as it is
        return type(error)


@contextmanager
def watched(*instead: Integration) -> Iterator[Recording]:
    """Everything that the distribution would apply, with the providers that engines find.

    Args:
        instead: Integrations that stand for those of the same name.
    """
    if not isinstance(trace.get_tracer_provider(), Relay):
        trace.set_tracer_provider(Relay())
    names = {integration.name for integration in instead}
    others = (integration for integration in INTEGRATIONS if integration.name not in names)
    with threaded(*instead, *others, priced=True) as recording:
        Relay.to = recording.tracer_provider
        try:
            yield recording
        finally:
            Relay.to = trace.NoOpTracerProvider()


def known(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def of_runs(recording: Recording) -> list[ReadableSpan]:
    """The spans of all runs."""
    return list(recording.spans)


def of_kind(spans: list[ReadableSpan], kind: str) -> list[dict[str, Any]]:
    spans = sorted(spans, key=lambda span: span.start_time or 0)
    return [known(span) for span in spans if known(span).get(semconv.KIND) == kind]


def _check_tokens(spans: list[ReadableSpan], root: ReadableSpan, ledger: Ledger) -> None:
    calls, total = of_kind(spans, "llm"), ledger.total()
    assert len(calls) == len(ledger)
    assert sum(call[semconv.USAGE_INPUT_TOKENS] for call in calls) == total.input_tokens
    assert sum(call[semconv.USAGE_OUTPUT_TOKENS] for call in calls) == total.output_tokens
    assert known(root)[semconv.ROLLUP_LLM_CALLS] == len(ledger)
    assert known(root)[semconv.ROLLUP_INPUT_TOKENS] == total.input_tokens
    cost = sum(call[semconv.COST_USD] for call in calls)
    assert known(root)[semconv.ROLLUP_COST_USD] == pytest.approx(cost)


class Watched:
    """The tests of one engine."""

    engine: ClassVar[str]
    pytestmark: ClassVar = [
        pytest.mark.filterwarnings("ignore"),  # the engines' own: clients that nobody closes
        pytest.mark.timeout(120),
    ]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Each test for each way to ask the engine."""
        programs = [program for program in PROGRAMS if program.engine == self.engine]
        if "at_once" in metafunc.function.__name__:
            programs = [each for each in programs if inspect.iscoroutinefunction(each.act)]
        metafunc.parametrize("program", programs, ids=lambda program: program.way)

    @pytest.fixture(autouse=True)
    def _examples(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
        monkeypatch.syspath_prepend(str(EXAMPLES))
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        yield
        gc.collect()  # what engines leave open is complained of here

    def test_a_run_is_one_trace_with_every_call_in_it(
        self, program: Program, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Agents, tools, model calls and tokens are what happened; the program does the same."""
        alone = played(program, monkeypatch)
        with watched() as recording:
            seen = played(program, monkeypatch)

        assert seen.result == alone.result
        assert seen.asked == alone.asked
        spans = of_runs(recording)
        (root,) = [span for span in spans if span.parent is None]
        assert known(root)[semconv.KIND] == "run"
        assert known(root)[semconv.ENGINE] == program.is_called
        assert known(root)[semconv.WORKFLOW_NAME] == program.workflow
        assert {known(span).get(semconv.RUN_ID) for span in spans} == {known(root)[semconv.RUN_ID]}
        assert len({span.context.trace_id for span in spans if span.context}) == 1
        agents = [each[semconv.AGENT_NAME] for each in of_kind(spans, "agent")]
        assert agents == list(program.agents)
        tools = [each[semconv.TOOL_NAME] for each in of_kind(spans, "tool")]
        assert tools == list(program.tools)
        _check_tokens(spans, root, seen.ledger)

    def test_runs_at_once_are_traces_of_their_own(
        self, program: Program, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ten in one loop: each its own calls, and none with a parent in another."""
        with watched() as recording:
            seen = played(program, monkeypatch, times=10)

        by_run: dict[Any, list[ReadableSpan]] = {}
        for span in of_runs(recording):
            by_run.setdefault(known(span)[semconv.RUN_ID], []).append(span)
        assert len(by_run) == 10
        for spans in by_run.values():
            assert len({span.context.trace_id for span in spans if span.context}) == 1
            assert len(of_kind(spans, "llm")) == len(seen.ledger) // 10
            assert len(of_kind(spans, "tool")) == len(program.tools)

    def test_a_failure_of_the_model_is_the_runs(
        self, program: Program, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The program gets the error that it would get, and every call is there, failed."""
        alone = played(program, monkeypatch, fails=True)
        with watched() as recording:
            seen = played(program, monkeypatch, fails=True)

        assert seen.result == alone.result
        spans = of_runs(recording)
        calls = of_kind(spans, "llm")
        assert len(seen.asked) == len(alone.asked)
        assert calls
        assert all(semconv.ERROR_TYPE in call for call in calls)
        (root,) = [span for span in spans if span.parent is None]
        assert known(root)[semconv.ROLLUP_ERRORS] >= 1
        if isinstance(seen.result, type):
            assert semconv.ERROR_TYPE in known(root)

    def test_it_survives_versions(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every row that is not optional finds what it patches in the installed version."""
        with watched() as recording:
            importlib.import_module(f"{program.engine}_weather.__main__")
            missing = [
                status
                for status in recording.statuses()
                if status.integration == program.is_called
                and status.state not in {"applied", "waiting"}
                and not status.optional
            ]

        assert not missing
        assert Counter(status.state for status in recording.statuses())
