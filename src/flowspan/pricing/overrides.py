"""Prices that go before the market's: the user's own, and the built-in rules."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from flowspan.pricing import names
from flowspan.pricing.price import free
from flowspan.pricing.rates import Rates
from flowspan.pricing.tariff import UNKNOWN, Always, Quote, Rated

FOREVER: Final = float("inf")
ANY_TIER: Final = "*"


@lru_cache(maxsize=1024)
def pattern(text: str) -> re.Pattern[str]:
    """A pattern in which ``*`` stands for anything, in any case of letters."""
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.IGNORECASE | re.DOTALL)


class Subject(NamedTuple):
    """What an override may apply to: one call, by all names that it goes by.

    Attributes:
        providers: Names of the provider.
        models: Names of the model.
        server: Host of the server.
    """

    providers: Collection[str] = ()
    models: Collection[str] = ()
    server: str | None = None


class Override(NamedTuple):
    """One rule: for which calls it is, and what they cost.

    Attributes:
        provider: Which providers it is for, ``None`` for all; ``*`` in it stands for anything.
        model: Likewise for models.
        server: Likewise for server hosts.
        begins: Start of the first calls that it is for, in seconds of the epoch.
        ends: Start of the first calls that it is no longer for.
        free: True: they cost nothing. False: what they cost is not known.
        tiers: Rates by service tier: ``None`` is the standard tier, ``*`` all that are not named.
    """

    provider: str | None = None
    model: str | None = None
    server: str | None = None
    begins: float = -FOREVER
    ends: float = FOREVER
    free: bool | None = None
    tiers: Mapping[str | None, Rates] = {}

    def applies(self, subject: Subject) -> bool:
        """True if the rule is for that subject, at some time."""
        provider = None if self.provider is None else names.provider_id(self.provider)
        server = () if subject.server is None else (subject.server,)
        return (
            _matches(provider, subject.providers)
            and _matches(self.model, subject.models)
            and _matches(self.server, server)
        )

    @property
    def always(self) -> bool:
        """True if the rule does not depend on when the call started."""
        return self.begins == -FOREVER and self.ends == FOREVER

    def quote(self, tier: str | None) -> Quote:
        """The quote for a tier; a tier without a rate has no known price."""
        provider, model = self.provider or "*", self.model or "*"
        if self.free:
            return Always(free(source="override", provider=provider, model=model))
        rates = self.tiers.get(tier)
        if rates is None and tier is not None:
            rates = self.tiers.get(ANY_TIER)
        return UNKNOWN if rates is None else Rated(rates, "override", provider, model)


def _matches(text: str | None, candidates: Iterable[str]) -> bool:
    if text is None:
        return True
    matcher = pattern(text)
    return any(matcher.fullmatch(candidate) for candidate in candidates)


BUILT_IN: Final = (
    # Ollama serves models of the machine's own for nothing, and others from its cloud for money.
    Override(provider="ollama", model="*-cloud", free=False),
    Override(provider="ollama", model="*:cloud", free=False),
    Override(provider="ollama", server="*ollama.com", free=False),
    Override(provider="ollama", free=True),
)
"""The rules that hold unless the user's say otherwise."""


class Overrides(NamedTuple):
    """Rules in order: of those that apply to a call, the first decides.

    Attributes:
        own: The user's rules.  The built-in ones come after them.
    """

    own: tuple[Override, ...] = ()

    @property
    def by_provider(self) -> bool:
        """True if it takes the provider's own name to tell which of the user's rules applies."""
        return any(rule.provider is not None for rule in self.own)

    def for_subject(self, subject: Subject) -> list[Override]:
        """The rules that apply at some time, up to the first that always does."""
        found: list[Override] = []
        for rule in (*self.own, *BUILT_IN):
            if rule.applies(subject):
                found.append(rule)
                if rule.always:
                    break
        return found
