"""The price lists are loaded without the HTTP client that could renew them."""

from __future__ import annotations

import subprocess
import sys

LOADED = """
import sys, time
from flowspan.pricing import Pricer
from flowspan.usage import Usage

usage = Usage(input_tokens=1, output_tokens=1)
while Pricer().price(usage, provider="openai", model="gpt-4o-mini", when=time.time()) is None:
    time.sleep(0.01)
"""


def _says(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=100
    )
    return done.stdout.strip()


def test_no_http_client_is_imported_behind_the_programs_back() -> None:
    """An SDK that looks for a client which is half imported would fail in the program's hands."""
    clients = "{'httpx', 'httpx2'} & set(sys.modules)"

    assert _says(f"{LOADED}\nprint({clients} or 'none')") == "none"


def test_the_program_has_the_whole_package() -> None:
    """Whoever imports the package afterwards finds everything that it has."""
    used = """
import genai_prices, inspect
from genai_prices import UpdatePrices, Usage, calc_price, types

assert types.Usage is Usage and genai_prices.__version__ and not hasattr(genai_prices, "nothing")
assert set(genai_prices.__all__) <= set(vars(genai_prices))
print(calc_price(Usage(input_tokens=1000, output_tokens=10), "gpt-4o-mini").total_price)
"""

    assert _says(LOADED + used) == _says(used)
