"""``python -m recursive_writer.offline -- COMMAND …`` runs a command against scripted models.

The models are a server on this machine that speaks the providers' wire formats.  Their answers
depend on the prompts alone, so that every run is like the one before; each of them takes about as
long as a small model does, ten times faster.  Things go wrong as they do in life: the first plan
is no plan, the first section meets a rate limit, and one source cannot be read.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from threading import Lock

from flowspan.testing import FakeProvider, Fault, ReceivedRequest, Reply
from flowspan.usage import Usage

MAP = Path(__file__).with_name("flowspan.toml")
GUIDE = 1024
"""Tokens of a style guide that goes with every prompt of the author, cached after the first."""


class Script:
    """What the models answer.

    Attributes:
        pace: How long everything takes; 0 is at once.
    """

    def __init__(self, pace: float = 1.0) -> None:
        self.pace = pace
        self._lock = Lock()
        self._asked: Counter[str] = Counter()

    def __call__(self, request: ReceivedRequest) -> Reply:
        """The answer to a prompt, at the script's pace."""
        reply = self._reply(request)
        return replace(
            reply, delay=reply.delay * self.pace, chunk_delay=reply.chunk_delay * self.pace
        )

    def _reply(self, request: ReceivedRequest) -> Reply:
        """The answer, by how the prompt begins."""
        with self._lock:
            self._asked[request.text] += 1
            times = self._asked[request.text]
            cached = GUIDE if self._asked.total() > 1 else 0
        if request.provider == "anthropic":
            return self._summary(request)
        if request.text.startswith("Outline"):
            return self._plan(request, self._outline(request.text, times), cached)
        if request.text.startswith("Can"):
            return self._plan(request, self._parts(request.text), cached)
        if request.text.startswith("Join"):
            text = request.text.partition("\n\n")[2]
            return Reply(text, usage=_usage(request, text, cached), delay=0.18)
        return self._section(request, times, cached)

    def _plan(self, request: ReceivedRequest, text: str, cached: int) -> Reply:
        return Reply(text, usage=_usage(request, text, cached, reasoning=128), delay=0.12)

    def _outline(self, prompt: str, times: int) -> str:
        topic = _goal(prompt)
        if times == 1:
            return f"With pleasure! An article about {topic} should begin with its history."
        return json.dumps(
            [
                {"kind": "notes", "goal": f"the history of {topic}"},
                {"kind": "text", "goal": f"how {topic} came about"},
                {"kind": "text", "goal": f"what {topic} means today"},
            ]
        )

    def _parts(self, prompt: str) -> str:
        goal = _goal(prompt)
        if not goal.startswith("how "):
            return "[]"
        parts = ("the beginnings", "the turning point")
        return json.dumps([{"kind": "text", "goal": f"{part}: {goal}"} for part in parts])

    def _section(self, request: ReceivedRequest, times: int, cached: int) -> Reply:
        goal = _goal(request.text)
        if goal.startswith("the beginnings") and times == 1:
            return Reply(fault=Fault.rate_limited(retry_after=0.15 * self.pace))
        text = f"## {goal.capitalize()}\n\n" + " ".join(
            f"Sentence {number} tells one more thing about it." for number in range(1, 5)
        )
        return Reply(text, usage=_usage(request, text, cached), delay=0.06, chunk_delay=0.008)

    def _summary(self, request: ReceivedRequest) -> Reply:
        shelf = request.text.partition("From the ")[2].partition(":")[0]
        if shelf == "newspaper":
            return Reply(fault=Fault.overloaded())
        text = f"The {shelf} tells how it began. It is sure of nothing else."
        delay = {"encyclopaedia": 0.3, "journal": 0.22}.get(shelf, 0.16)
        return Reply(text, usage=_usage(request, text, 0, guide=0), delay=delay)


def _goal(prompt: str) -> str:
    return prompt.split('"')[1]


def _usage(
    request: ReceivedRequest, text: str, cached: int, *, reasoning: int = 0, guide: int = GUIDE
) -> Usage:
    return Usage(
        input_tokens=guide + len(request.prompt) // 4,
        output_tokens=reasoning + len(text) // 4,
        cache_read_tokens=cached,
        reasoning_tokens=reasoning or None,
    )


def main() -> None:
    """Serve the script while the command runs; exit as it does."""
    parser = argparse.ArgumentParser(prog="recursive_writer.offline", description=__doc__)
    parser.add_argument("--ledger", type=Path, help="write what was charged to this file, as JSON")
    parser.add_argument("--pace", type=float, default=1.0, help="0 answers at once")
    parser.add_argument("command", nargs="+", help="the command, after --")
    arguments = parser.parse_args()
    with FakeProvider(respond=Script(arguments.pace)) as provider:
        environment = {"FLOWSPAN_MAP": str(MAP), **os.environ, **provider.environment}
        done = subprocess.run(arguments.command, env=environment, check=False)  # noqa: S603 - the user's own command
        if arguments.ledger is not None:
            arguments.ledger.write_text(provider.ledger.to_json(), encoding="utf-8")
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
