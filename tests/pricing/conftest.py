"""A pricer whose price lists are loaded, and a short way to ask it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from flowspan.pricing import Price, Pricer
from flowspan.pricing.loading import Background
from flowspan.pricing.market import Market, current
from flowspan.usage import Usage

NOVEMBER = datetime(2026, 11, 2, 12, tzinfo=UTC)
"""A moment at which all lists that the tests rely on are in force."""


def loaded() -> Background[Callable[[], Market]]:
    """Price lists that are there already."""
    background: Background[Callable[[], Market]] = Background(
        lambda: current, name="genai-prices", patience=30
    )
    background.wait()
    return background


@pytest.fixture
def pricer() -> Pricer:
    """A pricer without overrides that has nothing to load."""
    return Pricer(price_lists=loaded())


@pytest.fixture
def ask(pricer: Pricer) -> Callable[..., Price | None]:
    """Ask for the price of a million tokens in and out, or of another usage."""

    def price(
        provider: str | None,
        model: str | None,
        *,
        usage: Usage | None = None,
        when: datetime | float = NOVEMBER,
        **more: str | None,
    ) -> Price | None:
        if usage is None:
            usage = Usage(input_tokens=1_000, output_tokens=1_000)
        return pricer.price(usage, provider=provider, model=model, when=when, **more)

    return price
