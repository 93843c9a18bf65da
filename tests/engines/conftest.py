"""Fixtures of the engines' tests: a provider that writes, and jobs for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from writehere_kit.answers import GOALS, Writer
from writehere_kit.program import Job, MakeJob, Mode

from flowspan.testing import FakeProvider


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProvider]:
    """A provider that plans and writes, which this process's clients talk to."""
    with FakeProvider(respond=Writer()) as provider:
        for name, value in provider.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OPENROUTER_BASE_URL", provider.openai_url)
        yield provider


@pytest.fixture
def job(tmp_path: Path) -> MakeJob:
    """Makes jobs in folders whose names have one length."""

    def make(mode: Mode, *goals: str, model: str = "gpt-4o") -> Job:
        folder = tmp_path / f"job{len(list(tmp_path.glob('job*'))):04}"
        folder.mkdir()
        return Job(mode, goals or (GOALS[mode],), folder, model)

    return make
