"""The front door of pricing: from a usage to a price."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from flowspan.pricing import names, quietly
from flowspan.pricing.loading import Background
from flowspan.pricing.overrides import Override, Overrides, Subject
from flowspan.pricing.price import Price
from flowspan.pricing.tariff import UNKNOWN, Constant, Layer, Layered, Tariff, When
from flowspan.usage import Usage

if TYPE_CHECKING:
    # At run time only the background thread may import it.
    from flowspan.pricing.market import Market

_MOST_REMEMBERED: Final = 1024
"""Models whose tariff is remembered, and as many again that are not known."""

PATIENCE_SECONDS: Final = 1.0
"""The longest that calls are held up, once per process, while the price lists are loading."""


def _load_market() -> Callable[[], Market]:
    """The function that gives the market now; its first call compiles the lists' data."""
    quietly.prepare()
    current = importlib.import_module("flowspan.pricing.market").current
    current()
    return cast("Callable[[], Market]", current)


_PRICE_LISTS: Final = Background(_load_market, name="genai-prices", patience=PATIENCE_SECONDS)
"""One for the process, because an import is."""


class _Asked(NamedTuple):
    """What a caller says of a call; the key under which the answer is remembered."""

    provider: str | None
    model: str | None
    request_model: str | None
    tier: str | None
    server: str | None

    @property
    def models(self) -> list[str]:
        """Names of the model, the most telling first."""
        return [name for name in (self.model, self.request_model) if name]


class _Memory:
    """Tariffs found so far.  They belong to one market: price lists may be renewed."""

    def __init__(self, market: Market | None) -> None:
        self.market = market
        self.tariffs: dict[_Asked, Tariff] = {}
        self.unknown: dict[_Asked, Tariff] = {}

    def keep(self, asked: _Asked, tariff: Tariff, *, known: bool) -> Tariff:
        """Keep an answer; a full memory starts afresh, so that no flood of names fills it."""
        memory = self.tariffs if known else self.unknown
        if len(memory) >= _MOST_REMEMBERED:
            memory.clear()
        memory[asked] = tariff
        return tariff


class Pricer:
    """Prices model calls.  Safe to share between threads, and across forks.

    Args:
        overrides: The user's own prices.
        price_lists: Where the market comes from, unless it is the process's own.
    """

    def __init__(
        self,
        overrides: Overrides | None = None,
        *,
        price_lists: Background[Callable[[], Market]] = _PRICE_LISTS,
    ) -> None:
        self._overrides = Overrides() if overrides is None else overrides
        self._price_lists = price_lists
        self._memory = _Memory(None)

    def warm(
        self,
        *,
        provider: str | None = None,
        model: str | None = None,
        server_address: str | None = None,
    ) -> None:
        """Start loading the price lists in the background: a model call is starting.

        Returns at once.  With what is known of the call, nothing is loaded for one that the
        overrides decide, such as a local model's.
        """
        asked = _Asked(provider, model, None, None, server_address)
        memory = self._memory
        if self._price_lists.started or asked in memory.tariffs:
            return
        rules = [] if self._overrides.by_provider else self._rules(asked, None)
        if rules and rules[-1].always:
            memory.keep(asked, _under(rules, None, _NOTHING_KNOWN), known=True)
        else:
            self._price_lists.start()

    def load(self, *, within: float) -> bool:
        """Load the price lists now, for those who can wait, such as tests.

        Returns:
            False where that takes longer than so many seconds.
        """
        return self._price_lists.finish(within=within)

    def price(  # noqa: PLR0913 - everything that a price depends on, by name
        self,
        usage: Usage,
        *,
        provider: str | None,
        model: str | None,
        when: When,
        request_model: str | None = None,
        service_tier: str | None = None,
        server_address: str | None = None,
    ) -> Price | None:
        """What a call cost.

        Args:
            usage: Its tokens.
            provider: The provider as the client knows it (``gen_ai.provider.name``).
            model: The model that answered, else the one that was asked.
            when: When the call started: prices have dates, and some a time of the day.
            request_model: The model that was asked; serves where nothing is known of ``model``.
            service_tier: The tier that was asked for; the one in ``usage`` goes before it.
            server_address: The server's host, or its URL.  Where it is a provider's own, that is
                the provider, whatever ``provider`` says.

        Returns:
            ``None`` if the price is not known, which is not the same as 0.  While the price lists
            are loading a call may be held up, once per process and for at most
            :data:`PATIENCE_SECONDS`; one that ends still later gets ``None`` until they are there.
        """
        tier = usage.service_tier or service_tier
        asked = _Asked(provider, model, request_model, tier, server_address)
        current = self._price_lists.thing
        memory = self._memory_of(None if current is None else current())
        tariff = memory.tariffs.get(asked) or memory.unknown.get(asked) or self._find(asked, memory)
        return tariff.at(when).price(usage)

    def _memory_of(self, market: Market | None) -> _Memory:
        memory = self._memory
        if memory.market is not market:
            memory = self._memory = _Memory(market)
        return memory

    def _market(self) -> Market | None:
        """The market, once it is there; this is where a call may be held up."""
        current = self._price_lists.wait()
        return None if current is None else current()

    def _find(self, asked: _Asked, memory: _Memory) -> Tariff:
        if self._overrides.by_provider:
            memory = self._memory_of(self._market())
        tier = names.tier_id(asked.tier)
        rules = self._rules(asked, memory.market)
        if rules and rules[-1].always:
            return memory.keep(asked, _under(rules, tier, _NOTHING_KNOWN), known=True)
        memory = self._memory_of(self._market())
        if memory.market is None:
            return _under(rules, tier, _NOTHING_KNOWN)  # not kept: the lists may yet come
        listed = memory.market.tariff(
            provider=asked.provider, models=asked.models, tier=tier, address=asked.server
        )
        tariff = _under(rules, tier, listed or _NOTHING_KNOWN)
        return memory.keep(asked, tariff, known=listed is not None or bool(rules))

    def _rules(self, asked: _Asked, market: Market | None) -> list[Override]:
        """The overrides for a call, by all names that it is known to go by."""
        providers = _names(asked.provider, names.provider_id)
        if market is not None:
            providers = market.provider_names(asked.provider, asked.server) or providers
        models = [spelling for name in asked.models for spelling in _names(name, names.bare_model)]
        server = names.host(asked.server) if asked.server else None
        return self._overrides.for_subject(Subject(providers, models, server))


_NOTHING_KNOWN: Final = Constant(UNKNOWN)


def _names(name: str | None, other: Callable[[str], str]) -> list[str]:
    """A name as it is said, and as others say it."""
    return [name, other(name)] if name else []


def _under(rules: Sequence[Override], tier: str | None, base: Tariff) -> Tariff:
    """The tariff of ``base`` under overrides, of which only the last may hold always."""
    layers = [Layer(rule.begins, rule.ends, rule.quote(tier)) for rule in rules]
    if rules and rules[-1].always:
        base = Constant(layers.pop().quote)
    return Layered(layers, base) if layers else base
