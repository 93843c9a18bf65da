"""Answers two tickets: ``python -m inhouse_engine``."""

from __future__ import annotations

from inhouse_engine.engine import Engine, Ticket
from inhouse_engine.nodes import NODES, ROUTES

QUESTIONS = {"T-1": "When does my bill come?", "T-2": "Why is the sky blue?"}


def main() -> None:
    """Answer each ticket and say how it stands then."""
    engine = Engine(NODES, ROUTES)
    for key, question in QUESTIONS.items():
        ticket = Ticket(key, question)
        print(f"{key}: {engine.handle(ticket)} ({ticket.status})")


if __name__ == "__main__":
    main()
