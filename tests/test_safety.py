"""An error of ours is told once for each place, and is never the program's."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from flowspan import safety
from flowspan.errors import FlowspanError


class Mute(Exception):  # noqa: N818 - what it is about
    def __str__(self) -> str:
        raise TypeError


def fail(error: Exception | BaseException) -> None:
    raise error


@pytest.fixture(autouse=True)
def _as_in_production() -> Iterator[None]:
    safety.set_strict(strict=False)
    yield
    safety.set_listener(None)


def test_an_error_is_told_once_for_each_place(caplog: pytest.LogCaptureFixture) -> None:
    for place in ("here", "here", "there", "here"):
        assert safety.guarded(place, fail, ValueError("wrong")) is None
    safety.report_once("here", "not said: the place has spoken")
    safety.report_once("elsewhere", "said")

    sentence = (
        "flowspan: {} failed and is left out from now on where it fails "
        "(ValueError: wrong); the program is not affected"
    )
    assert [entry.getMessage() for entry in caplog.records] == [
        sentence.format("here"),
        sentence.format("there"),
        "said",
    ]
    assert safety.counts() == {"here": 4, "there": 1, "elsewhere": 1}


def test_an_error_that_cannot_be_printed_is_told_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    safety.guarded("here", fail, Mute())
    assert "Mute: unprintable" in caplog.text


def test_more_places_than_can_be_remembered_keep_quiet(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safety, "_MOST_PLACES", 2)
    for place in "abcabccc":
        safety.guarded(place, fail, ValueError())
    assert len(caplog.records) == 2


def test_what_the_user_asked_for_passes() -> None:
    with pytest.raises(FlowspanError):
        safety.guarded_hook("here", fail, FlowspanError("no more money"))
    assert safety.guarded("here", fail, FlowspanError("no more money")) is None
    assert safety.guarded_hook("here", fail, ValueError()) is None
    assert safety.guarded_hook("here", int, "3") == 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_error_always_passes(error: type[BaseException]) -> None:
    for guard in (safety.guarded, safety.guarded_hook):
        with pytest.raises(error):
            guard("here", fail, error())


def test_listeners_are_told_each_time_and_may_fail() -> None:
    heard = []

    def listen(place: str) -> None:
        heard.append(place)
        raise ValueError("the counter is broken")

    safety.set_listener(listen)
    safety.guarded("here", fail, ValueError())
    safety.guarded("here", fail, ValueError())
    assert heard == ["here", "here"]


class Raises(logging.Handler):
    """A handler of the program's, which has its own idea of warnings."""

    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError(record.getMessage())


def test_a_log_handler_that_raises_is_not_the_programs_problem() -> None:
    handler = Raises()
    log = logging.getLogger("flowspan")
    log.addHandler(handler)
    try:
        assert safety.guarded("here", fail, ValueError()) is None
        safety.report_once("there", "a sentence")
    finally:
        log.removeHandler(handler)


def test_an_error_may_be_reported_in_the_middle_of_a_report() -> None:
    """By a signal handler, or by a finaliser that the garbage collector runs right there."""
    with safety._ledger.lock:
        assert safety.guarded("here", fail, ValueError()) is None
    assert safety.counts() == {"here": 1}
