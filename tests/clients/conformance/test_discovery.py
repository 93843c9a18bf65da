"""Which clients are asked; none is left out in silence."""

from __future__ import annotations

from collections import Counter

from conformance.discovery import absent, cases, clients, drivers, promised
from flowspan.instrumentation import discovery


def test_the_clients_that_this_environment_promises_are_here() -> None:
    """A test that is not asked of them would pass for nothing."""
    lacking = {name: absent()[name] for name in promised() if name in absent()}

    assert lacking == {}
    assert set(promised()) <= set(drivers())


def test_every_way_has_a_name_of_its_own() -> None:
    """By which its tests can be run, and its row in the table is found."""
    twice = [name for name, count in Counter(case.id for case in cases()).items() if count > 1]

    assert twice == []


def test_everything_that_sees_model_calls_has_a_driver() -> None:
    """A client without one would have none of these tests."""
    driven = {integration.name for client in clients() for integration in client.integrations}
    seeing = {
        integration.name
        for integration in discovery.built_in()
        if integration.engine is None and any(row.kind == "llm" for row in integration.patches)
    }
    undriven = set() if promised() or absent() else seeing - driven

    assert undriven == set()
