"""Which rates hold for a call: they depend on when it started."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol

from flowspan.pricing.price import Price, Source
from flowspan.pricing.rates import Rates
from flowspan.usage import Usage

_DAY: Final = 86_400

When = datetime | float
"""A moment: a datetime (one without a zone is UTC), or seconds of the epoch."""


def moment(when: When) -> float:
    """``when`` in seconds of the epoch."""
    if isinstance(when, datetime):
        return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()
    return when


class Quote(Protocol):
    """What turns a usage into a price."""

    def price(self, usage: Usage) -> Price | None:
        """The price; ``None`` if it is not known."""


class Rated(NamedTuple):
    """A quote by rates."""

    rates: Rates
    source: Source
    provider: str
    model: str

    def price(self, usage: Usage) -> Price | None:
        """The price; ``None`` where the usage does not tell."""
        cost = self.rates.cost(usage)
        if cost is None:
            return None
        amount, charged_in, charged_out = cost
        return Price(
            amount, charged_in, charged_out, self.source, "priced", self.provider, self.model
        )


class Always(NamedTuple):
    """A quote that does not depend on the usage: free, or not known."""

    answer: Price | None

    def price(self, usage: Usage) -> Price | None:  # noqa: ARG002 - as the protocol has it
        """The one answer."""
        return self.answer


UNKNOWN: Final = Always(None)


class Tariff(Protocol):
    """The quotes of one model over time."""

    def at(self, when: When) -> Quote:
        """The quote for a call that started then."""


class Constant(NamedTuple):
    """A tariff without conditions."""

    quote: Quote

    def at(self, when: When) -> Quote:  # noqa: ARG002 - as the protocol has it
        """The one quote."""
        return self.quote


class Calendar(NamedTuple):
    """A tariff that changes on dates, at times of the day, or both.

    Attributes:
        dates: Moments at which it changes for good, ascending, in seconds of the epoch.
        times: Moments of the day at which it changes every day, ascending, in seconds (UTC).
        quotes: One row for each stretch between dates (one more than ``dates``), in it one quote
            for each stretch between times (one more than ``times``).
    """

    dates: Sequence[float]
    times: Sequence[float]
    quotes: Sequence[Sequence[Quote]]

    def at(self, when: When) -> Quote:
        """The quote of the stretch that the moment falls into."""
        seconds = moment(when)
        row = self.quotes[bisect_right(self.dates, seconds)]
        return row[bisect_right(self.times, seconds % _DAY)]


class Layer(NamedTuple):
    """A quote that holds from one moment until another."""

    begins: float
    ends: float
    quote: Quote


class Layered(NamedTuple):
    """A tariff under dated rules: the first that holds decides."""

    layers: Sequence[Layer]
    base: Tariff

    def at(self, when: When) -> Quote:
        """The quote of the first layer in force, else of the tariff beneath."""
        seconds = moment(when)
        for layer in self.layers:
            if layer.begins <= seconds < layer.ends:
                return layer.quote
        return self.base.at(when)
