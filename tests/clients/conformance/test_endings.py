"""However a call ends, it has one span that ended once and says how, and what it used."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from conformance import charges
from conformance.asking import (
    charged,
    every,
    is_seen,
    known_of,
    names_in_chain,
    one_of_each_kind,
    only_call,
    streams,
    watching,
)
from conformance.discovery import Case, cases
from conformance.driving import always, drive, drive_cancelled
from conformance.endings import EARLY, Ending
from flowspan import semconv
from flowspan.testing import FakeProvider, Fault, Gate, LedgerEntry, Reply

HELD = 3
"""Chunks that the provider sends before it waits."""

every_early_end = pytest.mark.parametrize(
    ("case", "ending"),
    [
        pytest.param(case, ending, id=f"{case.id}-{ending.name}")
        for case in cases(streams)
        for ending in EARLY
    ],
)


def check_settled(
    case: Case, span: ReadableSpan, provider: FakeProvider, entry: LedgerEntry, arrived: range
) -> None:
    """The span has one of the usages that the stream may have had, as far as it had arrived."""
    asked = provider.requests[entry.request].texts
    possible = charges.settled(entry, asked, case.way.answer, charged(case.way), arrived)
    known = known_of(span)

    assert {name: known.get(name) for name in possible[0]} in possible


@every_early_end
def test_a_stream_that_is_left_is_no_error_and_is_settled(
    case: Case, ending: Ending, provider: FakeProvider
) -> None:
    """Broken out of, closed, dropped, never read: abandoned, with what had arrived."""
    provider.reply(
        Reply(chunks=case.way.answer, usage=charged(case.way), gate=Gate(after_chunks=HELD)),
    )
    if case.way.lazy and not ending.reads:
        check_nothing_happened(case, ending, provider)
        return

    with watching(case) as recording:
        driven = drive_at_gate(case, provider, ending, recording)

    assert driven.error is None
    span = only_call(recording)
    known = known_of(span)
    (entry,) = provider.ledger.wait_for(1)
    failed = StatusCode.UNSET if ending.error is None else StatusCode.ERROR
    assert span.status.status_code is failed
    assert known.get(semconv.ERROR_TYPE) == ending.error
    assert known.get(semconv.STREAM_ABANDONED) is (True if ending.error is None else None)
    assert entry.outcome == "client_closed"
    reads = ending.reads or case.way.ahead
    check_settled(case, span, provider, entry, range(HELD + 1 if reads else 1))


def drive_at_gate(case: Case, provider: FakeProvider, ending: Ending, recording: Any) -> Any:
    """End a stream that stands still, and see its connection closed where reading it did that.

    A client that holds the connection in a circle gives it back when it is collected; one that has
    not begun to read gives it back at its own end, and some do always.
    """
    seen, ledger = is_seen(recording), provider.ledger
    settled = {
        "nothing": (lambda: seen() and len(ledger) > 0) if ending.reads else seen,
        "connection": seen,
        "stream": always,
    }
    driven = drive(case.way, provider, ending, settled=settled[case.way.keeps])
    if not driven.applied:
        pytest.skip("the client's streams cannot be left in that manner")
    return driven


def check_nothing_happened(case: Case, ending: Ending, provider: FakeProvider) -> None:
    """A stream that asks when it is read, and is not read, has used nothing."""
    with watching(case) as recording:
        drive(case.way, provider, ending)

    assert len(provider.requests) == 0
    assert recording.spans.total(semconv.USAGE_INPUT_TOKENS) == 0
    assert len(recording.spans) <= 1


@every(streams)
def test_a_stream_that_the_server_cuts_is_an_error(case: Case, provider: FakeProvider) -> None:
    """The connection breaks in the middle; what had arrived until then was charged."""
    provider.reply(
        Reply(chunks=case.way.answer, usage=charged(case.way), fault=Fault.cut(after_chunks=HELD))
    )

    with watching(case) as recording:
        driven = drive(case.way, provider, settled=is_seen(recording))

    span = only_call(recording)
    if driven.error is not None:
        assert span.status.status_code is StatusCode.ERROR
        assert known_of(span)[semconv.ERROR_TYPE]
    (entry,) = provider.ledger
    check_settled(case, span, provider, entry, range(HELD, HELD + 1))


@every(streams)
def test_a_stream_that_reports_an_error_is_one(case: Case, provider: FakeProvider) -> None:
    """A stream may fail although its status was 200, whether its client raises or not."""
    fault = Fault.error_event(after_chunks=HELD)
    provider.reply(Reply(chunks=case.way.answer, usage=charged(case.way), fault=fault))

    with watching(case) as recording:
        drive(case.way, provider, settled=is_seen(recording))

    span = only_call(recording)
    assert span.status.status_code is StatusCode.ERROR
    assert known_of(span)[semconv.ERROR_TYPE]
    (entry,) = provider.ledger
    check_settled(case, span, provider, entry, range(HELD, HELD + 1))


@one_of_each_kind(lambda way: way.plain)
def test_an_answer_that_cannot_be_parsed_is_paid_for_all_the_same(
    case: Case, provider: FakeProvider
) -> None:
    """What the client makes of broken JSON is its own; the call is one, and has its tokens."""
    provider.reply(
        Reply(
            chunks=case.way.answer,
            usage=charged(case.way),
            fault=Fault.malformed(after_chunks=HELD),
        )
    )

    with watching(case) as recording:
        driven = drive(case.way, provider, settled=is_seen(recording))

    # A client that cannot read on hangs up, and may have done so before the provider's last word.
    span, (entry,) = only_call(recording), provider.ledger.wait_for(1)
    known = known_of(span)
    if driven.error is not None and case.parses and case.leaves_broken:
        assert known[semconv.STREAM_ABANDONED] is True
    elif driven.error is not None and case.parses:
        assert span.status.status_code is StatusCode.ERROR
        assert known[semconv.ERROR_TYPE]
    if known.get(semconv.USAGE_ESTIMATED):
        assert known[semconv.USAGE_INPUT_TOKENS] > 0
    else:
        wanted = charges.tokens_charged(entry)
        assert {name: known.get(name) for name in wanted} == wanted


@every(lambda way: way.asynchronous)
def test_a_call_that_is_cancelled_is_no_error(case: Case, provider: FakeProvider) -> None:
    """Its task is cancelled while the answer is on its way."""
    gate = Gate(after_chunks=HELD)
    provider.reply(Reply(chunks=case.way.answer, usage=charged(case.way), gate=gate))

    with watching(case) as recording:
        driven = drive_cancelled(case.way, provider, gate, settled=is_seen(recording))

    span = only_call(recording)
    assert isinstance(driven.error, asyncio.CancelledError)
    assert span.status.status_code is StatusCode.UNSET
    assert known_of(span)[semconv.INTERRUPTION] == "CancelledError"
    (entry,) = provider.ledger.wait_for(1)
    if case.way.stream:
        check_settled(case, span, provider, entry, range(HELD + 1))


@every(lambda way: way.impatient is not None)
def test_a_call_that_takes_too_long_is_an_error(case: Case, provider: FakeProvider) -> None:
    """The client gives up while the answer stands still."""
    provider.reply(
        Reply(chunks=case.way.answer, usage=charged(case.way), gate=Gate(after_chunks=HELD)),
    )

    with watching(case) as recording:
        driven = drive(case.way, provider, settled=is_seen(recording), connect=case.way.impatient)

    span = only_call(recording)
    assert driven.error is not None
    assert span.status.status_code is StatusCode.ERROR
    assert known_of(span)[semconv.ERROR_TYPE] in names_in_chain(driven.error)
