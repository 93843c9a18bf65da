"""A library that has lost one attribute of those that are patched loses one row, and is told so."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import cache
from typing import Any, NamedTuple

import pytest

from conformance.asking import charged, is_seen, known_of, watching
from conformance.discovery import Case, clients, promised
from conformance.driving import drive
from conformance.vocabulary import Client
from flowspan import semconv
from flowspan.doctor import integrations as doctor
from flowspan.instrumentation import discovery
from flowspan.instrumentation.hooks import Outcome, Visit
from flowspan.instrumentation.integration import Integration, Patch
from flowspan.instrumentation.patching import RowStatus
from flowspan.semconv import Kind
from flowspan.testing import FakeProvider, Recording, Reply, record

MOST_TRIED = 3
"""Calls that are tried while an attribute is gone: of as many other rows."""


class Owners:
    """A hook that notes by which rows model calls were seen."""

    kinds: frozenset[Kind] = frozenset({"llm"})

    def __init__(self) -> None:
        self.labels: list[str] = []

    def before(self, visit: Visit) -> None:
        self.labels.append(getattr(visit, "label", ""))

    def after(self, visit: Visit, outcome: Outcome) -> None:
        pass


class Loss(NamedTuple):
    """An attribute that is gone, and where it was."""

    client: Client
    integration: Integration
    patch: Patch

    @property
    def id(self) -> str:
        return f"{self.client.name}-{self.integration.name}-{self.patch.label or self.patch.path}"

    def is_inherited(self) -> bool:
        """Whether a class of the interpreter's own has the attribute as well."""
        return any(not is_python(definer) for definer, _ in self.definers())

    def definers(self) -> Iterator[tuple[Any, str]]:
        """The classes or modules that have the attribute, and its name there."""
        for module, path in self.patch.places:
            *owners, name = path.split(".")
            found: Any = imported(module)
            for part in owners:
                found = getattr(found, part, None)
            for definer in getattr(found, "__mro__", (found,)):
                if definer is not None and name in vars(definer):
                    yield definer, name


def is_python(definer: Any) -> bool:
    """Whether attributes can be taken away: not from classes of the interpreter's own."""
    return not (isinstance(definer, type) and definer.__module__ in {"builtins", "_io"})


def name_in(target: str) -> str:
    return target.rpartition(":")[2].rpartition(".")[2]


def imported(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def belongs(integration: Integration, client: Client) -> bool:
    return integration.name.removesuffix("-bodies") == client.name


def losses() -> list[Loss]:
    seen: set[tuple[str, str]] = set()
    found = []
    for client in clients():
        for integration in client.integrations:
            for patch in integration.patches if belongs(integration, client) else ():
                if (key := (integration.name, patch.label or patch.target)) not in seen:
                    seen.add(key)
                    found.append(Loss(client, integration, patch))
    return found


def client_named(name: str) -> Client:
    return next(client for client in clients() if client.name == name)


@cache
def owners(name: str) -> dict[str, Case]:
    """By row: the first of the client's ways whose call it sees."""
    client = client_named(name)
    found: dict[str, Case] = {}
    for way in client.ways:
        hook, case = Owners(), Case(client, way)
        with FakeProvider() as provider, record(*client.integrations, hooks=(hook,)) as recording:
            provider.reply(Reply(chunks=way.answer, usage=charged(way)))
            drive(way, provider, settled=is_seen(recording))
        for label in hook.labels:
            found.setdefault(label, case)
    return found


@cache
def states(name: str) -> dict[tuple[str, str], str]:
    client = client_named(name)
    for integration in client.integrations:
        for patch in integration.patches:
            for module, _ in patch.places:
                imported(module)
    with record(*client.integrations) as recording:
        return by_row(recording)


def by_row(recording: Recording) -> dict[tuple[str, str], str]:
    return {(status.integration, status.target): status.state for status in recording.statuses()}


def row_of(loss: Loss, recording: Recording) -> RowStatus:
    wanted = (loss.integration.name, loss.patch.target)
    found = [
        status for status in recording.statuses() if (status.integration, status.target) == wanted
    ]
    return found[0]


@pytest.mark.filterwarnings(
    # A library without one of its own functions may leave its connections open.
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
@pytest.mark.parametrize("loss", losses(), ids=lambda loss: loss.id)
def test_an_attribute_that_is_gone_costs_its_row_alone(
    loss: Loss, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = owners(loss.client.name)
    before = states(loss.client.name)  # the ways have made the client import what it needs
    if not (found := list(loss.definers())):
        assert loss.patch.optional
        assert before[loss.integration.name, loss.patch.target] != "applied"
        return
    name = found[0][1]
    for definer, found_name in dict.fromkeys(found):
        if is_python(definer):
            monkeypatch.delattr(definer, found_name)

    with watching(Case(loss.client, loss.client.ways[0])) as recording:
        after = by_row(recording)
        lost = row_of(loss, recording)
        for label, case in list(ways.items())[:MOST_TRIED]:
            if label != (loss.patch.label or loss.patch.path):
                check_is_seen(case, recording)

    if loss.is_inherited():
        assert lost.state == "applied"
        return
    assert lost.state == "missing"
    assert {row for row in before if after[row] != before[row]} == {
        row for row in before if name_in(row[1]) == name and after[row] == "missing"
    } - {row for row in before if before[row] == "missing"}
    check_doctor_names(loss, lost, recording)


def assert_fails_alone(case: Case) -> None:
    """The library needs what is gone: the call fails without flowspan as well."""
    with FakeProvider() as provider:
        provider.reply(Reply(chunks=case.way.answer, usage=charged(case.way)))
        assert error_of(case, provider, lambda: True) is not None


def error_of(case: Case, provider: FakeProvider, settled: Callable[[], bool]) -> Exception | None:
    """What a call raises, its client's end included."""
    try:
        error = drive(case.way, provider, settled=settled).error
    except Exception as raised:  # noqa: BLE001 - what a library without one of its functions raises
        return raised
    return error if isinstance(error, Exception) else None


def check_is_seen(case: Case, recording: Recording) -> None:
    """A call whose own rows are there is seen, unless the library itself needs what is gone."""
    known_before = len(recording.spans)
    with FakeProvider() as provider:
        provider.reply(Reply(chunks=case.way.answer, usage=charged(case.way)))

        def settled() -> bool:
            return len(recording.spans) > known_before or not provider.requests

        if error_of(case, provider, settled) is not None:
            assert_fails_alone(case)
            return
        (entry,) = provider.ledger
    calls = recording.spans.of_kind("llm")[known_before:]
    assert len(calls) == 1
    if case.way.reports:
        known = known_of(calls[0])
        assert known.get(semconv.USAGE_INPUT_TOKENS) == entry.usage.input_tokens


def check_doctor_names(loss: Loss, lost: RowStatus, recording: Recording) -> None:
    rows = [
        asdict(status)
        for status in recording.statuses()
        if status.integration == loss.integration.name
    ]
    finding = doctor._judged(loss.integration, "0", rows)
    if lost.optional:
        assert "optional" in finding.text
    else:
        assert finding.level == "problem"
        assert lost.detail
        assert lost.detail in finding.text
        assert name_in(loss.patch.target) in lost.detail


def test_every_row_of_every_client_that_is_here_is_taken_away_once() -> None:
    """A client without a driver would be tried by nothing in this folder.

    An environment for a few clients has others only because these need them.
    """
    rows = {
        (integration.name, patch.label or patch.target)
        for integration in discovery.built_in()
        if not integration.engine and doctor.installed_version(integration) is not None
        if not promised() or any(belongs(integration, client) for client in clients())
        for patch in integration.patches
    }

    taken = {(loss.integration.name, loss.patch.label or loss.patch.target) for loss in losses()}

    assert rows - taken == set()
