"""Who sells a model: names, addresses and ids, looked up in genai-prices.

Imported only by the background thread of ``loading``: importing it imports genai-prices, which
costs more than a tenth of a second and about 30 MB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from genai_prices import data_snapshot, types

from flowspan.pricing import names
from flowspan.pricing.pricelist import tariff_of
from flowspan.pricing.tariff import Tariff


class Market:
    """One snapshot of the price lists."""

    def __init__(self, snapshot: data_snapshot.DataSnapshot) -> None:
        self.snapshot = snapshot

    def provider_names(self, provider: str | None, address: str | None) -> list[str]:
        """Names of the provider of a call; none if the price lists do not know it."""
        seller = self._provider_at(address) if address else None
        if seller is not None:
            return [seller.id]
        seller = self._provider(provider) if provider else None
        return [] if seller is None or provider is None else [seller.id, provider]

    def tariff(
        self, *, provider: str | None, models: Sequence[str], tier: str | None, address: str | None
    ) -> Tariff | None:
        """The tariff of a model.

        Args:
            provider: The provider as the client knows it.
            models: Names of the model, the most telling first.
            tier: Service tier, ``None`` for the standard one.
            address: The server's; where it is a provider's own, that provider it is.

        Returns:
            ``None`` if the model is not known.
        """
        for model in models:
            seller, info = self._find(provider, model, address)
            if seller is not None and info is not None:
                return tariff_of(seller, info, tier)
        return None

    def _find(
        self, provider: str | None, model: str, address: str | None
    ) -> tuple[types.Provider | None, types.ModelInfo | None]:
        seller = self._provider_at(address) if address else None
        if seller is None and provider and provider.strip().lower() != "litellm":
            seller = self._provider(provider)
            if seller is None:
                return None, None
        if seller is None:
            seller, model = self._guess(model)
        if seller is None:
            return None, None
        spellings = self._spellings(model, seller)
        found = (
            seller.find_model(name, all_providers=self.snapshot.providers) for name in spellings
        )
        return seller, next((info for info in found if info is not None), None)

    def _guess(self, model: str) -> tuple[types.Provider | None, str]:
        """The provider that the model's name tells, where nothing else does, and the name there."""
        prefix, slash, rest = model.partition("/")
        if slash and (provider := self._provider(prefix)) is not None:
            return provider, rest
        providers = (
            one
            for one in self.snapshot.providers
            if one.model_match is not None and one.model_match.is_match(model.lower())
        )
        return next(providers, None), model

    def _spellings(self, model: str, seller: types.Provider) -> Iterator[str]:
        """The model's name, and what is left of it without the path that is put before it."""
        yield model
        bare = names.bare_model(model)
        if bare != model:
            yield bare
        prefix, slash, rest = model.partition("/")
        if slash and self._provider(prefix) is seller:
            yield rest

    def _provider(self, name: str) -> types.Provider | None:
        known = names.provider_id(name)
        return data_snapshot.find_provider_by_id(self.snapshot.providers, known)

    def _provider_at(self, address: str) -> types.Provider | None:
        url = names.url(address)
        return next(
            (one for one in self.snapshot.providers if re.match(one.api_pattern, url)), None
        )


class _Latest:
    """The market made last: a program may renew the price lists, as genai-prices allows."""

    market: Market | None = None


def current() -> Market:
    """The market of the snapshot that genai-prices uses now."""
    snapshot = data_snapshot.get_snapshot()
    market = _Latest.market
    if market is None or market.snapshot is not snapshot:
        market = _Latest.market = Market(snapshot)
    return market
