"""Bucket bounds of histograms, wide enough for agents: milliseconds to hours, cents to dollars."""

from typing import Final

DURATION_SECONDS: Final = tuple(0.01 * 2**n for n in range(14))
"""Model calls: 10 ms to 82 s, as the conventions advise."""

RUN_SECONDS: Final = (*DURATION_SECONDS, 163.84, 327.68, 655.36, 1310.72, 2621.44, 5242.88, 7200.0)
"""Runs and nodes: 10 ms to two hours."""

TOKENS: Final = tuple(float(4**n) for n in range(14))
"""Tokens: 1 to 67 million, as the conventions advise."""

COST_USD: Final = (
    *(float(f"{digit}e{exponent}") for exponent in range(-6, 2) for digit in (1, 2, 5)),
    100.0,
)
"""Cost: a millionth to a hundred dollars in a 1-2-5 series."""
