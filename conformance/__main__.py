"""``python -m conformance``: the matrix of environments, and a program that leaves its streams."""

from __future__ import annotations

import argparse
import sys

from conformance import leaving, matrix


def main() -> int:
    """Do what the arguments say; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    for verb, what, table in (
        ("matrix", "clients", matrix.TABLE),
        ("engines", "engines", matrix.ENGINES),
    ):
        tested = verbs.add_parser(verb, help=f"test the {what} in their environments")
        tested.add_argument("names", nargs="*", help="environments, with wildcards (default: all)")
        tested.add_argument("--without", metavar="NAME", help="not these, with wildcards")
        tested.set_defaults(
            run=lambda given, table=table: matrix.run(given.names, table, without=given.without)
        )
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
