"""What a process is told that is started in a span, without starting one."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.context import get_current
from opentelemetry.trace import get_current_span

from flowspan.instrumentation.integration import Integration, Patch
from flowspan.instrumentation.surroundings import Surroundings, starting
from flowspan.testing import record

ROWS = Integration("toy", "", (Patch(target="toyengine:Engine.run", kind="run", name="demo"),))
PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


def given(*args: Any, **kwargs: Any) -> Any:
    """The environment that ``Popen`` is called with."""
    return starting(lambda *_, **keywords: keywords.get("env"), None, args, kwargs)


def in_a_run(toy: ModuleType, **kwargs: Any) -> tuple[Any, str]:
    found: list[Any] = []
    with record(ROWS) as recording:
        toy.Engine().run(1, lambda _: found.append(given(["x"], **kwargs)))
        (span,) = recording.spans
    return found[0], str((span.attributes or {})["flowspan.run.id"])


def test_the_environment_is_what_it_was_and_says_the_span_and_the_run(toy: ModuleType) -> None:
    environment, run = in_a_run(toy)

    told = {name: environment.pop(name) for name in ("TRACEPARENT", "TRACESTATE")}
    assert environment == dict(os.environ)
    assert told["TRACESTATE"] == f"flowspan={run}"


def test_outside_any_span_nothing_is_told() -> None:
    assert given(["x"]) is None


@pytest.mark.parametrize("name", ["TRACEPARENT", b"TRACEPARENT"])
def test_what_the_program_says_itself_stays(toy: ModuleType, name: Any) -> None:
    own = {name: PARENT}

    environment, _ = in_a_run(toy, env=own)

    assert environment is own


def test_an_environment_that_is_none_fails_as_before(toy: ModuleType) -> None:
    with record(ROWS, strict=False):
        toy.Engine().run(1, lambda _: given(["x"], env=5))


def test_a_process_is_in_its_surroundings_from_install_to_uninstall(
    monkeypatch: pytest.MonkeyPatch, toy: ModuleType
) -> None:
    monkeypatch.setenv("TRACEPARENT", PARENT)
    monkeypatch.setenv("TRACESTATE", "flowspan=one")
    before = get_current()
    surroundings = Surroundings()
    surroundings.install()
    with record(ROWS) as recording:
        toy.Engine().run(1)
    surroundings.uninstall()

    (span,) = recording.spans
    assert (span.attributes or {})["flowspan.run.id"] == "one"
    assert span.parent is not None
    assert f"{span.parent.span_id:x}" == "b" * 16
    assert get_current() == before
    assert not get_current_span().get_span_context().is_valid
