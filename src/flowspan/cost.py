"""Prices each model call and puts the price on its span and into the metrics."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from flowspan import semconv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flowspan.instrumentation.hooks import Outcome, Replay, Visit
    from flowspan.instrumentation.integration import Attributes
    from flowspan.instrumentation.metrics import Instruments
    from flowspan.pricing import Price, Pricer
    from flowspan.semconv import Kind
    from flowspan.usage import Usage

UNBILLED: Final = frozenset({"fetch_response", "moderation"})
"""Operations that are free: an answer that is asked for again was paid for when it was made."""

_PLACE: Final = (semconv.PROVIDER_NAME, semconv.REQUEST_MODEL)


class CostHook:
    """The call hook that prices model calls.

    A price that is not known stays absent and is counted; a replayed or cached answer costs
    nothing and says so; a call that failed before the provider said anything has no cost.
    """

    kinds: frozenset[Kind] = frozenset({"llm"})

    def __init__(self, pricer: Pricer, instruments: Instruments) -> None:
        self._pricer = pricer
        self._instruments = instruments

    def before(self, visit: Visit) -> Replay | None:
        """Have the price list loaded while the call runs."""
        self.expect(visit.attributes)
        return None

    def expect(self, known: Mapping[str, Any]) -> None:
        """A call will have to be priced, of which so much is known."""
        self._pricer.warm(
            provider=known.get(semconv.PROVIDER_NAME),
            model=known.get(semconv.REQUEST_MODEL),
            server_address=known.get(semconv.SERVER_ADDRESS),
        )

    def after(self, visit: Visit, outcome: Outcome) -> Attributes | None:
        """Price the call."""
        known = visit.attributes
        if outcome.replayed or known.get(semconv.CACHE_HIT) or known.get(semconv.REPLAYED):
            return self._replayed(visit)
        if outcome.usage is None and known.get(semconv.OPERATION_NAME) in UNBILLED:
            return {semconv.COST_STATUS: "free"}
        if outcome.usage is None:
            if outcome.error is not None or known.get(semconv.ERROR_TYPE) is not None:
                return None
            return {semconv.COST_STATUS: "unpriced"}
        has_one = known.get(semconv.COST_STATUS) != "unpriced"  # a row may know that none fits
        price = self._price(known, outcome.usage, visit.started_ns) if has_one else None
        if price is None:
            return {semconv.COST_STATUS: "unpriced"}
        self._count(visit, price, outcome.usage)
        return self._charged(visit, price)

    def _price(self, known: Mapping[str, Any], usage: Usage, started_ns: int) -> Price | None:
        request_model = known.get(semconv.REQUEST_MODEL)
        model = known.get(semconv.RESPONSE_MODEL) or request_model
        if model is None:
            return None
        return self._pricer.price(
            usage,
            provider=known.get(semconv.PROVIDER_NAME),
            model=model,
            request_model=request_model,
            when=started_ns / 1e9,
            service_tier=known.get(semconv.SERVICE_TIER),
            server_address=known.get(semconv.SERVER_ADDRESS),
        )

    def _count(self, visit: Visit, price: Price, usage: Usage) -> None:
        """Count what it cost, and what it would have cost: the difference is what caches save."""
        known = visit.attributes
        labels = {key: known[key] for key in _PLACE if key in known}
        labels |= self._instruments.place(visit.workflow, visit.step)
        for metric, amount in (
            (semconv.METRIC_COST_USD, price.amount),
            (semconv.METRIC_COST_WITHOUT_CACHE_USD, self._without_cache(visit, price, usage)),
        ):
            if amount:
                self._instruments.count(metric, float(amount), labels)

    def _without_cache(self, visit: Visit, price: Price, usage: Usage) -> Decimal:
        """The price of the same tokens, all of the input at the ordinary rate."""
        if not (usage.cache_read_tokens or usage.cache_write_tokens):
            return price.amount
        plain = replace(
            usage,
            cache_read_tokens=None,
            cache_read_audio_tokens=None,
            cache_read_image_tokens=None,
            cache_write_tokens=None,
            cache_write_1h_tokens=None,
        )
        uncached = self._price(visit.attributes, plain, visit.started_ns)
        return price.amount if uncached is None else uncached.amount

    def _charged(self, visit: Visit, price: Price) -> Attributes:
        visit.charge(price.amount)
        return {
            semconv.COST_USD: float(price.amount),
            semconv.COST_STATUS: price.status,
            semconv.PRICE_SOURCE: price.source,
        }

    def _replayed(self, visit: Visit) -> Attributes:
        visit.charge(Decimal(0))
        return {semconv.COST_USD: 0.0, semconv.COST_STATUS: "replayed"}
