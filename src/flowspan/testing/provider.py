"""A fake provider as a program of its own: ``python -m flowspan.testing.provider``.

It prints its address and serves until it is stopped; with a command behind ``--`` it runs that with
the variables that lead SDKs to it, and ends with the command's status.
"""

from __future__ import annotations

import argparse
import os
import pkgutil
import subprocess
import sys
import threading
from collections.abc import Sequence

from flowspan.testing.fake_provider import FakeProvider, Responder


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until stopped; returns the exit status."""
    options = _parser().parse_args(arguments)
    with FakeProvider(respond=options.respond, port=options.port) as provider:
        if options.command:
            environment = {**os.environ, **provider.environment}
            return subprocess.call(options.command, env=environment)  # noqa: S603 - the user's own
        print(provider.url, flush=True)  # noqa: T201 - what the program is for
        try:
            wait = sys.stdin.read if options.until_input_ends else threading.Event().wait
            wait()
        except KeyboardInterrupt:
            pass
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flowspan.testing.provider", description="Run a fake model provider."
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)"
    )
    parser.add_argument(
        "--respond",
        type=_responder,
        metavar="MODULE:FUNCTION",
        help="function of a request that makes the reply (default: an echo)",
    )
    parser.add_argument(
        "--until-input-ends", action="store_true", help="stop when standard input is closed"
    )
    parser.add_argument(
        "command", nargs="*", metavar="COMMAND", help="program to run against the provider"
    )
    return parser


def _responder(name: str) -> Responder:
    try:
        responder: Responder = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise argparse.ArgumentTypeError(
            f"{name!r} cannot be used ({error}); expected MODULE:FUNCTION, with a module that can "
            "be imported from here"
        ) from None
    return responder


if __name__ == "__main__":
    sys.exit(main())
