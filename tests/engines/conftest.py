"""Fixtures of the engines' tests: a provider that answers, a recording, and jobs that write."""

from __future__ import annotations

import ast
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from traces import INTEGRATIONS
from writehere_kit.answers import GOALS, Writer
from writehere_kit.program import Job, MakeJob, Mode

from flowspan.testing import FakeProvider, Recording, record
from flowspan.testing.fake_provider import Responder


@pytest.fixture(scope="session", autouse=True)
def _one_parser() -> Iterator[None]:
    """Engines parse Python while they run, in threads too, which CPython 3.11.0 to 3.11.7 cannot.

    It counts the depth of all threads' trees in one place, and raises a SystemError where one
    thread makes way for another in between (python/cpython#106905).
    """
    if sys.version_info >= (3, 11, 8):
        yield
        return
    lock, parse = threading.RLock(), ast.parse

    def parsed(*given: Any, **named: Any) -> Any:
        with lock:
            return parse(*given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ast, "parse", parsed)
        yield


@pytest.fixture
def model() -> Responder | None:
    """What answers the provider's requests: an echo, unless a module has a model of its own."""
    return None


@pytest.fixture
def provider(model: Responder | None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProvider]:
    """A provider that this process's clients talk to."""
    with FakeProvider(respond=model) as provider:
        for name, value in provider.environment.items():
            monkeypatch.setenv(name, value)
        yield provider


@pytest.fixture
def recording() -> Iterator[Recording]:
    """Everything that the distribution would apply."""
    with record(*INTEGRATIONS, priced=True) as recording:
        yield recording


@pytest.fixture
def job(tmp_path: Path, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> MakeJob:
    """Makes jobs in folders whose names have one length; the provider plans and writes them."""
    provider.respond = Writer()
    monkeypatch.setenv("OPENROUTER_BASE_URL", provider.openai_url)
    monkeypatch.setenv("STANDIN_PICKLES_LESS", "only where it has finished")

    def make(mode: Mode, *goals: str, model: str = "gpt-4o") -> Job:
        folder = tmp_path / f"job{len(list(tmp_path.glob('job*'))):04}"
        folder.mkdir()
        return Job(mode, goals or (GOALS[mode],), folder, model)

    return make
