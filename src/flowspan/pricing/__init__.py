"""What model calls cost: usage in, price out, in exact decimal US dollars.

::

    Usage ──► Pricer.price ──► Tariff (per provider, model, tier; chosen by the call's start)
                 │                └─► Rates: a few whole-number multiplications ──► Price
                 ├─ overrides   the user's files, then the built-in rules
                 └─ market      genai-prices, imported by a background thread

A price that is not known is ``None``, never 0.  Importing this package imports neither
genai-prices nor platformdirs.  Formats and rules are in ``docs/prices.md``.
"""

from flowspan.pricing.overridefile import SCHEMA_FILE, load_overrides, override_files
from flowspan.pricing.overrides import Overrides
from flowspan.pricing.price import Price
from flowspan.pricing.pricer import Pricer

__all__ = ["SCHEMA_FILE", "Overrides", "Price", "Pricer", "load_overrides", "override_files"]
