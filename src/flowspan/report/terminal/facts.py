"""Facts in a few words, in the same words everywhere: tokens, cost, status."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from flowspan.report import amounts
from flowspan.report.terminal.glyphs import Glyphs
from flowspan.report.totals import Totals

UNKNOWN_REST: Final = " +?"
"""After a sum to which calls of unknown price would have to be added."""

UNKNOWN_PRICE_NOTE: Final = (
    "? marks model calls without a price, which are in no sum: they ended before the price lists "
    "were loaded, or no list has their price; a file named by FLOWSPAN_PRICES can give it"
)


def tokens(totals: Totals, glyphs: Glyphs) -> str:
    """Input and output tokens, if any; ``~`` before them where some are an estimate."""
    if not totals.input_tokens and not totals.output_tokens:
        return ""
    about = "~" if totals.estimated else ""
    return (
        f"{about}{amounts.tokens(totals.input_tokens)}"
        f"{glyphs.arrow}{amounts.tokens(totals.output_tokens)}"
    )


def cost(usd: Decimal | None, unpriced_calls: int) -> str:
    """A sum of money; ``+?`` after it where more calls were made, whose price is not known."""
    if usd is None:
        return "?" if unpriced_calls else ""
    return amounts.money(usd) + (UNKNOWN_REST if unpriced_calls else "")


def known_cost(totals: Totals) -> Decimal | None:
    """The sum of money, ``None`` where nothing is known of it."""
    return None if totals.cost_status in {"none", "unpriced"} else totals.cost_usd


def cost_in_words(usd: Decimal | None, unpriced_calls: int) -> str:
    """A sum of money with the number of calls that are not in it; empty without any call."""
    if usd is None:
        return f"{unpriced_calls} unpriced" if unpriced_calls else ""
    return amounts.money(usd) + (f" + {unpriced_calls} unpriced" if unpriced_calls else "")
