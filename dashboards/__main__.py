"""``python -m dashboards`` writes dashboards and alerts; ``--check`` only says what is stale."""

from __future__ import annotations

import argparse
import sys

from dashboards.files import ROOT, stale, write


def main() -> None:
    """Write, or check."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if any is stale")
    arguments = parser.parse_args()
    changed = stale() if arguments.check else write()
    for path in changed:
        print(f"{'stale' if arguments.check else 'wrote'} {path.relative_to(ROOT)}")
    if arguments.check and changed:
        sys.exit("run: python -m dashboards")


if __name__ == "__main__":
    main()
