"""What OpenTelemetry says in the program's log that is no trouble of the program's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace import TracerProvider

from flowspan.delivery.noise import quieten

_LOGGER = logging.getLogger("opentelemetry.context")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    filters = list(_LOGGER.filters)
    yield
    _LOGGER.filters[:] = filters


async def _parts() -> AsyncIterator[int]:
    """A generator that makes a span of its own, as engines do."""
    with TracerProvider(shutdown_on_exit=False).get_tracer("engine").start_as_current_span("own"):
        yield 1
        yield 2


def _left() -> None:
    async def leave() -> None:
        async for _ in _parts():
            break

    asyncio.run(leave())


@pytest.mark.parametrize("quiet", [True, False])
def test_a_generator_that_is_closed_from_elsewhere(
    caplog: pytest.LogCaptureFixture, *, quiet: bool
) -> None:
    """A span that an engine makes in one is no reason for an error in the program's log."""
    if quiet:
        quieten()
        quieten()

    _left()

    assert [line.getMessage() for line in caplog.records] == (
        [] if quiet else ["Failed to detach context"]
    )


def test_other_trouble_with_contexts_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A token that is used twice is a mistake of somebody's."""
    quieten()
    token = attach({})  # type: ignore[arg-type]  # what it is matters to nobody here
    detach(token)
    detach(token)

    assert [line.getMessage() for line in caplog.records] == ["Failed to detach context"]


def test_where_the_program_has_set_the_logger_up_nothing_is_changed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It wanted these lines, perhaps."""
    with caplog.at_level(logging.DEBUG, _LOGGER.name):
        quieten()
        _left()

    assert [line.getMessage() for line in caplog.records] == ["Failed to detach context"]
