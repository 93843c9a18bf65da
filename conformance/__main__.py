"""``python -m conformance``: the matrix of environments, and a program that leaves its streams."""

from __future__ import annotations

import argparse
import sys

from conformance import leaving, matrix


def main() -> int:
    """Do what the arguments say; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    tested = verbs.add_parser("matrix", help="test the clients in their environments")
    tested.add_argument("names", nargs="*", help="environments (default: all)")
    tested.set_defaults(run=lambda given: matrix.run(given.names))
    engines = verbs.add_parser("engines", help="test the engines in their environments")
    engines.add_argument("names", nargs="*", help="environments (default: all)")
    engines.set_defaults(run=lambda given: matrix.run(given.names, matrix.ENGINES))
    kept = verbs.add_parser("keeps", help="say what an environment lacks, inside of it")
    kept.add_argument("name", help="of the environment")
    kept.set_defaults(run=lambda given: matrix.keeps(given.name))
    left = verbs.add_parser("leave", help="open every stream of a client, and exit")
    left.add_argument("client")
    left.add_argument("url", help="of a fake provider")
    left.set_defaults(run=lambda given: leaving.run(given.client, given.url))
    given = parser.parse_args()
    status: int = given.run(given)
    return status


if __name__ == "__main__":
    sys.exit(main())
