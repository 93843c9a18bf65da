"""The price of one call."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple

Source = Literal["genai-prices", "override"]
Status = Literal["priced", "free"]


class Price(NamedTuple):
    """What one model call cost.

    Attributes:
        amount: Everything together, in US dollars: input, output, and what is charged per request
            or per search.
        input: The part for input tokens.
        output: The part for output tokens.
        source: Who knew the price: ``genai-prices``, or a rule of the user's or of ours.
        status: ``free`` where a rule says that such calls cost nothing; else ``priced``.
        provider: The provider whose price it is, as the source names it.
        model: The model whose price it is, as the source names it.
    """

    amount: Decimal
    input: Decimal
    output: Decimal
    source: Source
    status: Status
    provider: str
    model: str


def free(*, source: Source, provider: str, model: str) -> Price:
    """The price of a call that costs nothing because a rule says so."""
    nothing = Decimal(0)
    return Price(nothing, nothing, nothing, source, "free", provider, model)
