"""Nothing of a client changes: what a program gets, sends and sees is the same with flowspan."""

from __future__ import annotations

import contextlib
import inspect
import json
import pickle
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

import pytest

from conformance.asking import charged, one_of_each_kind, streams, watching
from conformance.discovery import Case, clients
from conformance.driving import Driven, drive
from conformance.endings import Ending
from flowspan.instrumentation.integration import Integration, Patch
from flowspan.instrumentation.targets import raw_attribute, resolve
from flowspan.testing import FakeProvider, Fault, Gate, Reply, record

LATE_SECONDS = 10.0
AN_HOUR = 3600.0
TRACE_HEADERS = {"traceparent", "tracestate", "baggage"}


# --- what a program gets --------------------------------------------------------------------------


def normalised(text: str) -> str:
    """Without what differs from one object to the next: addresses, clock times, durations."""
    text = re.sub(r"0x[0-9a-f]+", "0x", text)
    text = re.sub(r"\b\d{1,2}:\d\d:\d\d\b", "clock", text)
    text = re.sub(r"\b\d{10}\b", _unless_now, text)
    return re.sub(r"\b\d+\.\d{3,}\b", "seconds", text)


def _unless_now(found: re.Match[str]) -> str:
    """The second in which a client made an object: litellm writes it into each."""
    return "now" if abs(int(found[0]) - time.time()) < AN_HOUR else found[0]


def header(text: str) -> str:
    """Without the clock: Amazon's requests are signed with the second in which they are sent."""
    text = re.sub(r"\b\d{8}T\d{6}Z", "clock", text)
    text = re.sub(r"(?<=/)\d{8}(?=/)", "day", text)
    return re.sub(r"(?<=Signature=)[0-9a-f]+", "signed", text)


def facts(value: Any) -> dict[str, Any]:
    """What a program can find out about a value, and what its client warns of meanwhile."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        found = {
            "type": type(value),
            "repr": normalised(repr(value)),
            "attributes": sorted(getattr(value, "__dict__", ())),
            "pickle": pickled(value),
        }
    return {**found, "warnings": [(each.category, str(each.message)) for each in warned]}


def pickled(value: Any) -> Any:
    """Whether a value can be pickled, and why not."""
    try:
        pickle.dumps(value)
    except Exception as error:  # noqa: BLE001 - any client's any object
        return type(error)
    return "can be"


def chain(error: BaseException | None) -> Iterator[dict[str, Any]]:
    """An exception and what led to it."""
    while error is not None:
        yield {"type": type(error), "args": normalised(repr(error.args)), **facts(error)}
        error = error.__cause__ or error.__context__


def got(driven: Driven) -> tuple[Any, ...]:
    """Everything about a result, its items, or the exception in its place."""
    items = driven.result if isinstance(driven.result, list) else [driven.result]
    return (*(facts(item) for item in items), *chain(driven.error))


def _subjects(found: list[Any]) -> Ending:
    """Drains a stream, and notes what it is before and after."""

    def read(opened: Any) -> list[Any]:
        found.append(facts(opened.subject))
        items = list(opened.items())
        found.append(facts(opened.subject))
        return items

    async def read_async(opened: Any) -> list[Any]:
        found.append(facts(opened.subject))
        items = [item async for item in opened.items()]
        found.append(facts(opened.subject))
        return items

    return Ending(name="looked at", sync=read, awaited=read_async)


class Seen(NamedTuple):
    """One call from outside: what the program got, and what the provider."""

    got: tuple[Any, ...]
    subjects: list[Any]
    sent: list[dict[str, Any]]


def seen(case: Case, provider: FakeProvider, script: Callable[[], None]) -> Seen:
    provider.clear()
    script()
    subjects: list[Any] = []
    driven = drive(case.way, provider, _subjects(subjects))
    sent = [
        {
            "line": f"{one.method} {one.path}",
            "body": json.dumps(one.body),
            **{name: header(value) for name, value in one.headers.items()},
        }
        for one in provider.requests
    ]
    return Seen(got(driven), subjects, sent)


def compare(case: Case, provider: FakeProvider, script: Callable[[], None]) -> None:
    """With flowspan as without; what differs between two runs without it is the client's own."""
    plain, again = seen(case, provider, script), seen(case, provider, script)
    with watching(case):
        watched = seen(case, provider, script)

    assert stable(plain.got, again.got, watched.got) == stable(plain.got, again.got, plain.got)
    assert stable(plain.subjects, again.subjects, watched.subjects) == stable(
        plain.subjects, again.subjects, plain.subjects
    )
    assert len(watched.sent) == len(plain.sent)
    assert stable(plain.sent, again.sent, watched.sent) == stable(
        plain.sent, again.sent, plain.sent
    )


def stable(first: Any, second: Any, shown: Any) -> list[dict[str, Any]]:
    """Of the last one what is the same in the first two."""
    return [
        {
            name: value
            for name, value in of.items()
            if one.get(name) == other.get(name) and name not in TRACE_HEADERS
        }
        for one, other, of in zip(first, second, shown, strict=True)
    ]


@one_of_each_kind()
def test_a_program_gets_and_sends_the_same(case: Case, provider: FakeProvider) -> None:
    """Types, texts, attributes and pickles of results; the bodies and headers of requests."""
    compare(
        case,
        provider,
        lambda: provider.reply(Reply(chunks=case.way.answer, usage=charged(case.way))),
    )


@pytest.mark.parametrize(
    "fault",
    [Fault.http(400), Fault.reset(), Fault.page(), Fault.malformed(after_chunks=2)],
    ids=lambda f: f.kind,
)
@one_of_each_kind()
def test_a_program_sees_the_same_exceptions(
    case: Case, fault: Fault, provider: FakeProvider
) -> None:
    """Their types, arguments and attributes, and the chain of what led to them."""

    def script() -> None:
        provider.reply(Reply(chunks=case.way.answer, usage=charged(case.way)))
        provider.fail(fault, times=5)

    compare(case, provider, script)


# --- when a program gets it -----------------------------------------------------------------------


@one_of_each_kind(streams)
def test_the_first_piece_is_not_held_back(case: Case, provider: FakeProvider) -> None:
    """The program has it while the provider still keeps the rest."""
    gate = Gate(after_chunks=2)
    provider.reply(Reply(chunks=case.way.answer, usage=charged(case.way), gate=gate))
    early: list[bool] = []
    late = threading.Timer(LATE_SECONDS, gate.open)

    def first(opened: Any) -> None:
        for _ in opened.items():
            early.append(not gate.opened.is_set())
            gate.open()

    async def first_async(opened: Any) -> None:
        async for _ in opened.items():
            early.append(not gate.opened.is_set())
            gate.open()

    late.start()
    try:
        with watching(case):
            driven = drive(
                case.way, provider, Ending(name="first", sync=first, awaited=first_async)
            )
    finally:
        late.cancel()

    assert driven.error is None
    assert early[0]


# --- what is patched ------------------------------------------------------------------------------


class Row(NamedTuple):
    """A row of an integration."""

    integration: Integration
    patch: Patch


def rows() -> list[Row]:
    """The rows of everything that sees an installed client."""
    integrations = {
        integration.name: integration for client in clients() for integration in client.integrations
    }
    return [Row(each, patch) for each in integrations.values() for patch in each.patches]


def look(row: Row) -> list[dict[str, Any]]:
    """What can be asked of a row's target, wherever it is."""
    found = []
    for module, path in row.patch.places:
        with contextlib.suppress(ImportError, AttributeError):
            of = about_held if row.patch.role == "held" else about
            found.append(of(*resolve(import_module(module), path)))
    return found


def about(owner: Any, name: str) -> dict[str, Any]:
    raw, attribute = raw_attribute(owner, name), getattr(owner, name)
    return {
        "kind": isinstance(raw, staticmethod | classmethod),
        "signature": str(inspect.signature(attribute)),
        "coroutine": inspect.iscoroutinefunction(attribute),
        "generator": inspect.isgeneratorfunction(attribute),
        "async generator": inspect.isasyncgenfunction(attribute),
        **{
            each: getattr(attribute, each, None)
            for each in ("__name__", "__qualname__", "__doc__", "__module__", "__annotations__")
        },
        "is a function": inspect.isroutine(attribute),
    }


def about_held(owner: Any, name: str) -> dict[str, Any]:
    """Of an attribute in which objects hold a function, their class shows the default."""
    return {
        "default": getattr(owner, name),
        "arguments": str(inspect.signature(owner)),
        "annotations": dict(owner.__annotations__),
        "attributes": dir(owner),
    }


@pytest.mark.parametrize(
    "row", rows(), ids=lambda row: f"{row.integration.name}-{row.patch.target}"
)
def test_what_is_patched_looks_as_it_did(row: Row) -> None:
    """Signature, names, documentation, and what ``inspect`` says that it is."""
    before = look(row)
    with record(row.integration):
        during = look(row)

    assert during == before
    assert look(row) == before
