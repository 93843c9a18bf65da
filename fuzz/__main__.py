"""``python -m fuzz``: throws for some minutes, prints what it tries, fails at the first fault.

A case is told by the seed and its number, and comes again by both: ``--seed 7 --case 1234``.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from fuzz.corpus import Exchange, exchanges
from fuzz.targets import TARGETS, Found

MOST_SECONDS: Final = 2.0
"""Processor time that one case may take."""
MOST_MIB: Final = 400
"""By how much the process may grow."""
_EVERY_SECONDS: Final = 10.0


class SlowError(Exception):
    """A case took too long, or memory was not given back."""


@dataclass
class Report:
    """What was tried so far."""

    cases: int = 0
    size: int = 0
    slowest: float = 0.0
    slowest_case: int = 0
    told: Counter[str] = field(default_factory=Counter)
    mutations: Counter[str] = field(default_factory=Counter)

    def take(self, number: int, found: Found) -> None:
        """Count a case."""
        self.cases += 1
        self.size += found.size
        self.told[f"{found.target}: {found.told}"] += 1
        self.mutations.update(found.mutations)
        if found.seconds > self.slowest:
            self.slowest, self.slowest_case = found.seconds, number

    def line(self, elapsed: float) -> str:
        """One line of progress."""
        slow = f"slowest {self.slowest * 1000:.0f} ms (case {self.slowest_case})"
        return (
            f"{elapsed:6.0f} s  {self.cases:9,} cases  {self.size / 1e6:9.1f} MB  "
            f"{slow}  +{grown()} MiB"
        )

    def summary(self) -> str:
        """What was made of the cases, and what was done to them."""
        told = "\n".join(f"  {count:9,}  {what}" for what, count in sorted(self.told.items()))
        done = "  ".join(f"{name} {count:,}" for name, count in sorted(self.mutations.items()))
        return f"{told}\n  mutations: {done}"


_begun_with: Final = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def grown() -> int:
    """By how many MiB the process has been larger than it was at first."""
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - _begun_with) // 1024


def check_growth() -> None:
    """See that memory is given back.

    Raises:
        SlowError: It is not.
    """
    if grown() > MOST_MIB:
        raise SlowError(f"the process has grown by {grown()} MiB")


def run_case(seed: int, number: int, corpus: Sequence[Exchange]) -> Found:
    """Throw once.

    Raises:
        Exception: Whatever a target raised; it should not have.
        SlowError: It took too long.
    """
    chance = Random(f"{seed}:{number}")  # noqa: S311 - chance that can be repeated
    found = chance.choice(TARGETS)(chance, corpus)
    if found.seconds > MOST_SECONDS:
        raise SlowError(f"{found.target}: {found.seconds:.1f} s for {found.size} bytes")
    return found


def run(minutes: float, seed: int) -> int:
    """Throw for so many minutes; gives the exit status."""
    corpus = exchanges()
    print(f"seed {seed}, {len(corpus)} real exchanges, {minutes:g} minutes", flush=True)
    report = Report()
    begun = told = time.monotonic()
    number = 0
    while (now := time.monotonic()) - begun < minutes * 60:
        if now - told > _EVERY_SECONDS:
            told = now
            print(report.line(now - begun), flush=True)
        try:
            report.take(number, run_case(seed, number, corpus))
            check_growth()
        except Exception:  # noqa: BLE001 - what is looked for
            traceback.print_exc()
            print(f"\nfailed; again by: python -m fuzz --seed {seed} --case {number}")
            return 1
        number += 1
    print(report.line(time.monotonic() - begun), report.summary(), "no fault", sep="\n")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None, help="unless given, the time")
    parser.add_argument("--case", type=int, default=None, help="this case alone")
    asked = parser.parse_args(arguments)
    seed = int(time.time()) if asked.seed is None else asked.seed
    if asked.case is None:
        return run(asked.minutes, seed)
    found = run_case(seed, asked.case, exchanges())
    print(f"{found.target}: {found.told}, {found.size} bytes, {found.seconds * 1000:.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
