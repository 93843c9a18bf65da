from typing import Any

import httpx
import pytest

from flowspan.testing import FakeProvider, Ledger, Reply
from flowspan.usage import Usage


def chat(provider: FakeProvider, model: str = "m", **more: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}
    return httpx.post(f"{provider.openai_url}/chat/completions", json=body)


def test_totals(provider: FakeProvider) -> None:
    """Totals add part by part; what no entry states is not known; the tier stays if all agree."""
    provider.reply(
        Reply("a", usage=Usage(input_tokens=10, output_tokens=5, cache_read_tokens=4)),
        Reply("b", usage=Usage(input_tokens=1, output_tokens=2)),
    )
    chat(provider, "small")
    chat(provider, "large")
    chat(provider, "small")

    assert provider.ledger.total() == Usage(input_tokens=12, output_tokens=9, cache_read_tokens=4)
    assert provider.ledger.by_model() == {
        "small": Usage(input_tokens=11, output_tokens=7, cache_read_tokens=4),
        "large": Usage(input_tokens=1, output_tokens=2),
    }


def test_total_of_nothing(provider: FakeProvider) -> None:
    """Nothing charged is nothing known."""
    assert provider.ledger.total() == Usage()
    assert provider.ledger.by_model() == {}


def test_ledger_over_http(provider: FakeProvider) -> None:
    """Another process reads the same ledger; asking for it is no request."""
    chat(provider)

    read = Ledger.from_json(httpx.get(f"{provider.url}/__ledger__").content)

    assert read == provider.ledger
    assert read[0].usage == Usage(input_tokens=1, output_tokens=2)
    assert len(provider.requests) == 1


def test_views_are_live_sequences_that_cannot_be_changed(provider: FakeProvider) -> None:
    """Ledger and requests grow with what happens, and compare like sequences."""
    ledger = provider.ledger
    chat(provider)
    chat(provider)

    assert len(ledger) == 2
    assert ledger[:1] == (ledger[0],)
    assert list(ledger) == [ledger[0], ledger[1]]
    assert ledger == [ledger[0], ledger[1]]
    assert ledger != "no sequence of entries"
    assert ledger != 2
    assert repr(ledger).startswith("Ledger([LedgerEntry(request=0")
    assert not hasattr(ledger, "append")


def test_wait_for(provider: FakeProvider) -> None:
    """One waits for a number of entries or a condition; in vain with the entries in the message."""
    chat(provider)

    assert provider.requests.wait_for(1)[0].status == 200
    assert provider.requests.wait_for(lambda requests: requests[0].status == 200)
    with pytest.raises(TimeoutError, match=r"not what was waited for .*LedgerEntry"):
        provider.ledger.wait_for(2, timeout=0.01)
