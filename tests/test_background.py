"""Threads of ours are threads, whatever the program makes of Python's."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import pytest
from opentelemetry import context

from flowspan import background


def test_work_is_done_in_an_empty_context_and_its_end_can_be_waited_for() -> None:
    found: list[Any] = []
    going_on = background.Signal()

    def work(argument: str) -> None:
        found.extend((argument, dict(context.get_current()), threading.get_ident()))
        going_on.wait(10)

    token = context.attach(context.set_value("key", "value"))
    worker = background.start("test-worker", work, "argument")
    context.detach(token)
    assert worker is not None
    assert worker.is_alive()
    worker.join(0.01)
    going_on.set()
    worker.join(10)
    worker.join()

    assert not worker.is_alive()
    assert found[:2] == ["argument", {}]
    assert found[2] != threading.get_ident()
    assert "test-worker" not in background.running()


def test_a_thread_that_runs_can_be_named() -> None:
    over = background.Signal()
    worker = background.start("test-named", over.wait)
    assert worker is not None
    deadline = time.monotonic() + 10
    while "test-named" not in background.running():
        assert time.monotonic() < deadline
    assert "test-named" not in [thread.name for thread in threading.enumerate()]
    over.set()
    worker.join(10)


def test_none_is_started_where_none_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(background, "start_new_thread", refuse)
        assert background.start("test", int) is None
    with monkeypatch.context() as patched:
        patched.setattr(sys, "is_finalizing", lambda: True)
        assert background.start("test", int) is None


def test_a_signal_is_set_cleared_and_waited_for() -> None:
    signal = background.Signal()
    assert not signal.is_set()
    assert not signal.wait(0.01)
    signal.set()
    signal.set()
    assert signal.is_set()
    assert signal.wait()
    assert signal.wait(0)
    signal.clear()
    signal.clear()
    assert not signal.is_set()
    assert not signal.wait(-1)


def test_a_debugger_or_a_coverage_tool_sees_our_threads() -> None:
    seen: list[str] = []

    def trace(frame: Any, event: str, _: Any) -> None:
        if event == "call":
            seen.append(frame.f_code.co_name)

    def work() -> None:
        """Seen."""

    before = threading.gettrace()
    threading.settrace(trace)
    try:
        worker = background.start("test", work)
        assert worker is not None
        worker.join(10)
    finally:
        threading.settrace(before)
    assert "work" in seen
